//! Every page with impossible requests: it gives a reason with a 4xx status, and never hangs.

use serde_json::Value;

use crate::Served;
use crate::common::TestStore;
use crate::common::support::http;

/// The pages of docs/api.md, which is generated from the routing table.
fn pages() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    let pages = text.lines().filter_map(|line| line.split('`').nth(1)?.split_once(' '));
    let pages: Vec<_> =
        pages.filter(|(_, path)| path.starts_with('/')).map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
    assert!(pages.len() > 100, "{}", pages.len());
    pages
}

/// Statuses above 499 for what this engine is not: in a swarm, a BuildKit server, able to checkpoint processes.
fn is_known_refusal((method, path): (&str, &str), status: u16) -> bool {
    let first = path.trim_start_matches('/').split(['/', '?']).next().unwrap();
    let is_swarm = ["swarm", "nodes", "services", "tasks", "secrets", "configs"].contains(&first);
    // In docker, a context without a Dockerfile is a server error.
    let is_build = status == 500 && first == "build";
    let is_swarm = is_swarm || (method == "PUT" && first == "volumes");
    // docker's status for a container that is not paused.
    let is_unpause = status == 500 && path.split('?').next().unwrap().ends_with("/unpause");
    is_build
        || is_unpause
        || (is_swarm && status == 503)
        || (status == 501 && (["grpc", "session", "plugins"].contains(&first) || path.contains("checkpoints")))
}

/// Sends a request, and checks what all answers have in common. Streams are dropped after their head.
fn ask(served: &Served<'_>, (method, path): (&str, &str), body: &[u8]) -> u16 {
    let shown = || format!("{method} {} ({} bytes)", &path[..path.len().min(200)], body.len());
    let headers = [("Content-Type", "application/json"), ("Connection", "close")];
    let answer = http::open(&served.socket, method, path, &headers, body);
    let status = answer.status;
    assert!(
        status < 500 || is_known_refusal((method, path), status),
        "{}: {status} {}",
        shown(),
        answer.whole(false).text()
    );
    if status >= 400 && method != "HEAD" {
        let kind = answer.header("content-type").map(str::to_owned);
        let reply = answer.whole(false);
        let message = serde_json::from_slice::<Value>(&reply.body)
            .ok()
            .and_then(|value| value["message"].as_str().map(str::to_owned));
        assert!(message.is_some_and(|text| !text.is_empty()), "{}: {}", shown(), reply.text());
        assert_eq!(kind.as_deref(), Some("application/json"), "{}", shown());
    }
    status
}

/// The path with something in place of its braces.
fn filled(path: &str, word: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        text += word;
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    text + rest
}

/// Pages that ask a registry about a name: with a valid one, they would wait for a network that may not exist.
fn asks_elsewhere(path: &str) -> bool {
    ["/distribution/", "/push", "/images/search", "/images/create", "/auth"].iter().any(|part| path.contains(part))
}

#[test]
fn names_that_lead_elsewhere() {
    let Some(store) = TestStore::loaded() else { return };
    let served = Served::of(&store);
    let long = "A".repeat(5000);
    let names = [
        "..",
        "..%2F..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "a%2F..%2F..%2Fb",
        "%00",
        "a%00b",
        "%FF%FE",
        "%0D%0AX-Injected:%20y",
        "-rf",
        "*",
        "UPPER%20CASE",
        "sha256:zz",
        "%E2%80%AE",
        &long,
    ];
    for (method, path) in pages().iter().filter(|(_, path)| path.contains('{')) {
        // A registry would be asked about a valid name.
        for name in names.iter().filter(|name| **name != "sha256:zz" || !asks_elsewhere(path)) {
            let status = ask(&served, (method, &filled(path, name)), b"{}");
            // Nothing succeeds, not even stopping or force-removing a container that never existed.
            assert!(status >= 300, "{method} {path} {name}: {status}");
        }
        if !asks_elsewhere(path) {
            ask(&served, (method, &filled(path, "no-such-thing")), b"{}");
        }
    }
    assert!(std::path::Path::new("/etc/passwd").exists());
    served.get("/_ping").is(200);
}

#[test]
fn bodies_of_the_wrong_kind() {
    let Some(store) = TestStore::loaded() else { return };
    let served = Served::of(&store);
    let deep = "[".repeat(100_000);
    let wide = format!("{{\"Image\":\"{}\"}}", "x".repeat(1 << 20));
    let every = r#"{"Name":[1],"Image":{},"Cmd":7,"Env":{"a":1},"HostConfig":"x","Config":5,"Container":[],"Driver":9,
        "Labels":[1,2],"Options":3,"IPAM":[],"DriverOpts":7,"Detach":"x","Tty":[],"RestartPolicy":"x","Memory":"big",
        "EndpointConfig":[],"username":5,"Force":{}}"#;
    let numbers = r#"{"Image":"busybox","Cmd":["x"],"Memory":1e400,"HostConfig":{"Memory":-99999999999999999999,
        "PidsLimit":1e99,"CpuShares":1e30,"ShmSize":-1,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-5}}}"#;
    let strange = r#"{"Image":"busybox","Name":"../../x","Cmd":["\u0000"],"HostConfig":{"Binds":["/:/:/:/:/"],
        "PortBindings":{"99999999/tcp":[{"HostPort":"-1"}],"80/nope":null},"NetworkMode":"container:","PidMode":"???",
        "LogConfig":{"Type":"nope"},"Ulimits":[{"Name":"","Soft":-9}],"Devices":[{}],"Sysctls":{"":""},
        "CapAdd":["NOT_A_CAP"],"SecurityOpt":["=","seccomp={"]}}"#;
    let bodies: [&[u8]; 15] = [
        b"",
        b"null",
        b"[]",
        b"7",
        b"\"x\"",
        b"{",
        b"{\"a\":}",
        b"\xff\xfe\x00",
        b"{\"Image\":\"\"}",
        b"{\"Image\":null,\"Cmd\":null}",
        deep.as_bytes(),
        wide.as_bytes(),
        every.as_bytes(),
        numbers.as_bytes(),
        strange.as_bytes(),
    ];
    for (method, path) in pages().iter().filter(|(method, _)| method == "POST" || method == "PUT") {
        // Prunes take no body, and would remove everything; what asks a registry is tried with invalid names.
        let word = if asks_elsewhere(path) { "UPPER" } else { "no-such-thing" };
        for body in bodies {
            ask(&served, (method, &filled(path, word)), body);
        }
    }
    let made = served.get("/containers/json?all=1").is(200).json();
    assert_eq!(made, serde_json::json!([]), "nothing was made of nonsense");
    served.get("/_ping").is(200);
}

/// What docker refuses at creation, not at the start.
#[test]
fn containers_that_can_not_be() {
    let Some(store) = TestStore::loaded() else { return };
    let served = Served::of(&store);
    for (host, said) in [
        (serde_json::json!({"NetworkMode": "container:"}), "invalid network mode: invalid container format"),
        (serde_json::json!({"PidMode": "???"}), "invalid PID mode: ???"),
        (serde_json::json!({"IpcMode": "x"}), "invalid IPC mode: x"),
        (serde_json::json!({"UTSMode": "x"}), "invalid UTS mode: x"),
        (serde_json::json!({"CgroupnsMode": "x"}), "invalid cgroup namespace mode: x"),
        (serde_json::json!({"CpusetCpus": "x"}), "Invalid value x for cpuset cpus"),
        (serde_json::json!({"ExtraHosts": ["x"]}), "bad format for add-host: \"x\""),
        (serde_json::json!({"PortBindings": {"99999999/tcp": []}}), "invalid port specification: \"99999999\""),
        (
            serde_json::json!({"Mounts": [{"Type": "volume", "Source": "../x", "Target": "/x"}]}),
            "create ../x: \"../x\" includes invalid characters for a local volume name",
        ),
    ] {
        let body = serde_json::json!({"Image": "busybox", "HostConfig": host});
        let message = served.post("/containers/create", body).is(400).message();
        assert!(message.starts_with(said), "{host}: {message}");
    }
    for endpoint in [
        serde_json::json!({"MacAddress": "zz"}),
        serde_json::json!({"IPAMConfig": {"IPv4Address": "x"}}),
        serde_json::json!({"IPAMConfig": {"IPv6Address": "1.2.3.4"}}),
    ] {
        let config = serde_json::json!({"EndpointsConfig": {"own": endpoint}});
        let body = serde_json::json!({"Image": "busybox", "NetworkingConfig": config});
        let message = served.post("/containers/create", body).is(400).message();
        assert!(message.starts_with("invalid config for network own: "), "{message}");
    }
    let long = "a".repeat(300);
    served.post("/volumes/create", serde_json::json!({"Name": long})).is(400);
    served.get(&format!("/volumes/{long}")).is(404);
    served.ask("DELETE", &format!("/volumes/{long}"), None).is(404);
}

#[test]
fn queries_of_the_wrong_kind() {
    let Some(store) = TestStore::loaded() else { return };
    let served = Served::of(&store);
    let id = crate::containers::create(&served, serde_json::json!({"HostConfig": {"NetworkMode": "none"}}));
    const HUGE: &str = "99999999999999999999999999";
    let names = [
        "t",
        "h",
        "w",
        "tail",
        "limit",
        "since",
        "until",
        "signal",
        "size",
        "filters",
        "platform",
        "condition",
        "path",
        "name",
        "buildargs",
        "labels",
        "cachefrom",
        "ulimits",
        "memory",
        "memswap",
        "cpushares",
        "cpuperiod",
        "cpuquota",
        "shmsize",
        "networkmode",
        "extrahosts",
        "securityopt",
        "target",
        "remote",
        "dockerfile",
        "q",
        "nocache",
        "outputs",
        "isolation",
        "cgroupparent",
        "version",
        "keep-storage",
        "max-used-space",
        "fromImage",
        "fromSrc",
        "repo",
        "tag",
        "changes",
        "names",
        "container",
        "ps_args",
        "detachKeys",
        "stream",
        "stdout",
        "link",
        "force",
        "v",
        "scope",
        "type",
        "manifests",
    ];
    let values = [HUGE, "-1", "1e999", "[1", "%7B%22label%22%3A5%7D", "%7B%7D", "..%2F..%2Fx", "%00", "///", "%FF", ""];
    for (method, path) in pages() {
        // These would wait for a network.
        if asks_elsewhere(&path) || path == "/events" || path == "/build" {
            continue;
        }
        for value in values {
            let all: Vec<String> = names.iter().map(|name| format!("{name}={value}")).collect();
            let path = format!("{}?{}", filled(&path, "no-such-thing"), all.join("&"));
            ask(&served, (&method, &path), b"");
        }
        if !path.starts_with("/containers/{id}") || method == "DELETE" {
            continue;
        }
        // Each is checked separately, so that none hides another's error.
        for name in names {
            for value in [HUGE, "[1", "%00"] {
                let path = format!("{}?{name}={value}", filled(&path, &id));
                if !path.contains("/wait") && !path.contains("/attach") {
                    ask(&served, (&method, &path), b"{}");
                }
            }
        }
    }
    // Invalid contexts and invalid options of a build.
    for name in names.iter().filter(|name| **name != "remote") {
        for value in values {
            ask(&served, ("POST", &format!("/build?{name}={value}&dockerfile=no-such-thing")), b"");
        }
    }
    served.get("/_ping").is(200);
}
