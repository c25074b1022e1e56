//! Builds through the classic builder's API.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::Served;
use crate::common::support::http;
use crate::common::{TestStore, wait_until};
use crate::images::{escaped, messages, send, tar};

fn text_of(messages: &[Value]) -> String {
    messages.iter().filter_map(|message| message["stream"].as_str()).collect()
}

#[test]
fn steps_are_told_in_the_classic_builders_words() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let dockerfile = "ARG X=1\nFROM busybox\nRUN echo said\nRUN echo more >&2\nENV A=b\nCMD [\"x\"]\n";
    let context = tar(&[("Dockerfile", dockerfile)]);
    let reply = send(&served, "/build?t=a:1&t=r.example/b&rm=1", &context).is(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let told = messages(&reply);
    let id = told.iter().find_map(|message| message["aux"]["ID"].as_str()).unwrap();
    let short = &id[7..19];
    let expected = format!(
        "Step 1/6 : ARG X=1\nStep 2/6 : FROM busybox\nStep 3/6 : RUN echo said\nsaid\n\
         Step 4/6 : RUN echo more >&2\n\u{1b}[91mmore\n\u{1b}[0mStep 5/6 : ENV A=b\nStep 6/6 : CMD [\"x\"]\nSuccessfully built {short}\nSuccessfully tagged a:1\n\
         Successfully tagged r.example/b:latest\n"
    );
    assert_eq!(text_of(&told), expected);
    let again = text_of(&messages(&send(&served, "/build", &context).is(200)));
    assert!(again.contains("Step 3/6 : RUN echo said\n ---> Using cache\n"), "{again}");
    assert!(!again.contains("\nsaid\n"), "{again}");
    // A change of the config only is as old as what follows it.
    let end = "Step 5/6 : ENV A=b\n ---> Using cache\nStep 6/6 : CMD [\"x\"]\n ---> Using cache\nSuccessfully built";
    assert!(again.contains(end), "{again}");
    let other = tar(&[("Dockerfile", dockerfile.replace("A=b", "A=c").as_str())]);
    let other = text_of(&messages(&send(&served, "/build", &other).is(200)));
    assert!(other.contains("more >&2\n ---> Using cache\nStep 5/6 : ENV A=c\nStep 6/6"), "{other}");
    let quiet = messages(&send(&served, "/build?q=1", &context).is(200));
    assert_eq!(quiet, [json!({"stream": format!("{id}\n")})]);
    let anew = messages(&send(&served, "/build?nocache=1", &context).is(200));
    assert!(text_of(&anew).contains("\nsaid\n"));
}

/// The service's memory of layers only has existing ones.
#[test]
fn layers_that_were_removed_and_made_again() {
    let Some(archive) = crate::common::busybox_archive() else { return };
    let archive = std::fs::read(archive).unwrap();
    let store = TestStore::empty();
    let served = Served::of(&store);
    // A client that stays connected, as panels do.
    let stays = http::open(&served.socket, "GET", "/events", &[], b"");
    let context = tar(&[("Dockerfile", "FROM busybox AS base\nFROM scratch\nCOPY --from=base /etc /x\n")]);
    for _ in 0..3 {
        send(&served, "/images/load", &archive).is(200);
        let told = text_of(&messages(&send(&served, "/build?t=x&nocache=1", &context).is(200)));
        assert!(told.contains("Successfully tagged x:latest"), "{told}");
        for name in ["x", "busybox"] {
            served.ask("DELETE", &format!("/images/{name}"), None).is(200);
        }
        served.post("/build/prune?all=1", Value::Null).is(200);
        assert_eq!(std::fs::read_dir(store.root().join("layers")).unwrap().count(), 0);
    }
    drop(stays);
}

/// The classic builder's stages, one of which changes only its config in the middle.
#[test]
fn configs_in_the_middle_are_as_old_as_the_next_step() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let built = |value: &str, query: &str| {
        let text = format!("FROM busybox\nENV A={value}\nRUN echo $A > /a\nLABEL l=1\nRUN true\n");
        text_of(&messages(&send(&served, &format!("/build?{query}"), &tar(&[("Dockerfile", &text)])).is(200)))
    };
    assert_eq!(built("1", "").matches("Using cache").count(), 0);
    assert_eq!(built("1", "").matches("Using cache").count(), 4);
    assert_eq!(built("2", "").matches("Using cache").count(), 0);
    assert_eq!(built("1", "nocache=1").matches("Using cache").count(), 0);
}

#[test]
fn steps_join_a_network_that_somebody_has_made() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !crate::common::is_root() {
        return crate::common::skip("networks of the host need root");
    }
    let served = Served::of(&store);
    let name = format!("build-{}", std::process::id());
    let pool = json!([{"Subnet": "10.213.8.0/24"}]);
    served.post("/networks/create", json!({"Name": name, "IPAM": {"Config": pool}})).is(201);
    let script = "while true; do echo answered | nc -l -p 7000; done";
    let body = json!({"Cmd": ["sh", "-c", script], "Hostname": "peer", "HostConfig": {"NetworkMode": name},
        "NetworkingConfig": {"EndpointsConfig": {&name: {"Aliases": ["peer"]}}}});
    let id = crate::containers::create(&served, body);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    let build = |mode: &str, step: &str| {
        let text = format!("FROM busybox\nRUN {step}\n");
        text_of(&messages(
            &send(&served, &format!("/build?networkmode={mode}"), &tar(&[("Dockerfile", &text)])).is(200),
        ))
    };
    let said = build(&name, "until nc peer 7000 </dev/null; do sleep 0.1; done; cat /proc/net/fib_trie");
    assert!(said.contains("answered\n") && said.contains("10.213.8."), "{said}");
    let of_container = build(&format!("container:{id}"), "readlink /proc/self/ns/net; nc 127.0.0.1 7000 </dev/null");
    assert!(of_container.contains("answered\n"), "{of_container}");
    let nobody = send(&served, "/build?networkmode=container:nobody", &tar(&[("Dockerfile", "FROM busybox\n")]));
    assert_eq!(nobody.is(404).message(), "No such container: nobody");
    let unknown = send(&served, "/build?networkmode=no-such", &tar(&[("Dockerfile", "FROM busybox\nRUN true\n")]));
    assert!(unknown.text().contains("no-such not found"), "{}", unknown.text());
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    // The builds have left nothing in it.
    served.ask("DELETE", &format!("/networks/{name}"), None).is(204);
}

#[test]
fn a_commands_code_is_told() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let context = tar(&[("Dockerfile", "FROM busybox\nRUN echo before; exit 3\nRUN true\n")]);
    let told = messages(&send(&served, "/build", &context).is(200));
    let message = "The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3";
    let expected = json!({"errorDetail": {"code": 3, "message": message}, "error": message});
    assert_eq!(*told.last().unwrap(), expected);
    assert_eq!(text_of(&told), "Step 1/3 : FROM busybox\nStep 2/3 : RUN echo before; exit 3\nbefore\n");
    let quiet = messages(&send(&served, "/build?q=1", &context).is(200));
    assert!(text_of(&quiet).ends_with("before\n") && *quiet.last().unwrap() == expected, "{quiet:?}");
}

#[test]
fn what_is_wrong_before_the_first_step_has_a_status() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let of =
        |dockerfile: &str, query: &str| send(&served, &format!("/build?{query}"), &tar(&[("Dockerfile", dockerfile)]));
    let unknown = of("FROM scratch\nRUNN x\n", "").is(400).message();
    assert_eq!(unknown, "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)");
    assert_eq!(of("FROM scratch\n", "target=no").is(400).message(), "target stage \"no\" could not be found");
    let missing = of("FROM scratch\n", "dockerfile=no").is(500).message();
    assert_eq!(missing, "Cannot locate specified Dockerfile: no");
    assert!(of("FROM scratch\n", "t=UPPER").is(400).message().contains("must be lowercase"));
    assert!(of("FROM scratch\n", "version=2&session=x").is(501).message().contains("docker-plugin"));
    assert!(of("FROM scratch\n", "dockerfile=../../etc/passwd").status >= 400);
    send(&served, "/build", b"rubbish").is(500);
    let base = messages(&of("FROM localhost:1/none AS x\n", "").is(200));
    assert_eq!(text_of(&base), "Step 1/1 : FROM localhost:1/none AS x\n");
    assert!(base.last().unwrap()["error"].is_string(), "{base:?}");
}

#[test]
fn options_reach_the_build() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let dockerfile = "FROM scratch AS one\nARG V=none\nLABEL v=$V\nCOPY . /c/\nFROM one AS two\nCOPY missing /\n";
    let context = tar(&[("sub/My", dockerfile), (".dockerignore", "*.log\n"), ("a.log", ""), ("b", "")]);
    let query =
        "t=a&dockerfile=sub/My&target=one&buildargs={\"V\":\"arg\"}&labels={\"x\":\"y\"}&nocache=1&networkmode=none";
    let told = text_of(&messages(&send(&served, &format!("/build?{}", escaped(query)), &context).is(200)));
    assert!(told.contains("Step 4/4 : COPY . /c/"), "stages behind the target are none of it: {told}");
    let labels = served.get("/images/a/json").is(200).json()["Config"]["Labels"].clone();
    assert_eq!(labels, json!({"v": "arg", "x": "y"}));
    let archive = served.get("/images/a/get").is(200).body;
    let names = String::from_utf8_lossy(&archive);
    assert!(names.contains("c/b") && !names.contains("c/a.log"));
}

#[test]
fn contexts_may_be_compressed() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let plain = tar(&[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for context in [plain, gzip.finish().unwrap(), xz.finish().unwrap(), zstd] {
        let told = text_of(&messages(&send(&served, "/build", &context).is(200)));
        assert!(told.contains("Successfully built"), "{told}");
    }
}

#[test]
fn a_client_that_goes_away_stops_its_build() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let context = tar(&[("Dockerfile", "FROM busybox\nRUN echo begun; sleep 1000\n")]);
    let mut build = http::open(&served.socket, "POST", "/build", &[], &context);
    assert_eq!(build.status, 200);
    let mut told = String::new();
    while !told.contains("begun") {
        told += &String::from_utf8_lossy(&build.chunk());
    }
    drop(build);
    wait_until("only the service is left", || store.processes().iter().all(|words| words.contains("service")));
    served.get("/_ping").is(200);
}

#[test]
fn the_cache_of_builds_is_pruned() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let context = tar(&[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")]);
    send(&served, "/build?t=a", &context).is(200);
    let none = served.post(&escaped("/build/prune?filters={\"until\":[\"9999h\"]}"), Value::Null).is(200).json();
    assert_eq!(none, json!({"CachesDeleted": null, "SpaceReclaimed": 0}));
    let labelled = served.post(&escaped("/build/prune?all=1&filters={\"label\":[\"x\"]}"), Value::Null).is(200).json();
    assert_eq!(labelled, none, "the cache has no labels");
    assert!(
        served
            .post(&escaped("/build/prune?filters={\"nonsense\":[\"a\"]}"), Value::Null)
            .is(400)
            .message()
            .contains("nonsense")
    );
    let all = served.post("/build/prune?all=1", Value::Null).is(200).json();
    assert!(all["CachesDeleted"].is_array(), "{all}");
}

/// As in the classic builder: cached steps are only taken from the named images.
#[test]
fn steps_are_taken_from_images_that_are_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let context = tar(&[("Dockerfile", "FROM busybox\nRUN true\nRUN echo 1 > /1\n")]);
    let cached = |query: &str| {
        let told = send(&served, &format!("/build?t=one&{query}"), &context).is(200);
        text_of(&messages(&told)).matches("Using cache").count()
    };
    let from = |names: &str| format!("cachefrom={}", crate::images::escaped(names));
    assert_eq!(cached(""), 0);
    assert_eq!(cached(""), 2);
    assert_eq!(cached(&from(r#"["127.0.0.1:1/none","one"]"#)), 2);
    assert_eq!(cached(&from(r#"["127.0.0.1:1/none"]"#)), 0);
}
