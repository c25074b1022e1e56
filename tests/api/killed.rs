//! `kill -9` of the service in each verb: the next one answers, nothing is half finished, and a repetition works.
//!
//! `RBUILD_TEST_KILLS=300` kills that often, at other moments each time.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::Served;
use crate::common::support::http;
use crate::common::{TestStore, busybox_archive, is_root, none, wait_for, wait_until};
use crate::images::{messages, send, tar};
use crate::registry::TestRegistry;

/// What the requests use.
struct Ground<'a> {
    store: &'a TestStore,
    registry: TestRegistry,
    archive: Vec<u8>,
    context: Vec<u8>,
}

/// Method, path and body.
type Asked = (&'static str, String, Vec<u8>);

/// Returns the request; `round` distinguishes repetitions.
type Verb = fn(&Ground<'_>, &Served<'_>, u64) -> Asked;

const VERBS: [(&str, Verb); 22] = [
    ("pull", |ground, _, _| post(format!("/images/create?fromImage={}&tag=1", ground.registry.name("base")))),
    ("load", |ground, _, _| ("POST", "/images/load".to_owned(), ground.archive.clone())),
    ("import", |ground, _, _| ("POST", "/images/create?fromSrc=-&repo=flat".to_owned(), ground.context.clone())),
    ("build", |ground, _, _| ("POST", "/build?t=built&nocache=1&networkmode=none".to_owned(), ground.context.clone())),
    ("push", |ground, _, _| post(format!("/images/{}/push?tag=1", ground.registry.name("base")))),
    ("tag", |_, _, _| post("/images/busybox/tag?repo=tagged".to_owned())),
    ("rmi", |_, served, _| {
        served.post("/images/busybox/tag?repo=tagged", Value::Null).is(201);
        ("DELETE", "/images/tagged?force=1".to_owned(), Vec::new())
    }),
    ("create", |_, _, round| {
        let body = json!({"Image": "busybox", "HostConfig": {"NetworkMode": "none"}, "Volumes": {"/v": {}}});
        ("POST", format!("/containers/create?name=made-{round}"), body.to_string().into_bytes())
    }),
    ("start", |_, served, round| post(format!("/containers/{}/start", made(served, round)))),
    ("stop", |_, served, round| post(format!("/containers/{}/stop?t=0", running(served, round)))),
    ("restart", |_, served, round| post(format!("/containers/{}/restart?t=0", running(served, round)))),
    ("attach", |_, served, round| {
        post(format!("/containers/{}/attach?stream=1&stdout=1&logs=1", running(served, round)))
    }),
    ("exec", |_, served, round| {
        let body = json!({"Cmd": ["true"], "AttachStdout": true});
        let exec = served.post(&format!("/containers/{}/exec", running(served, round)), body).is(201).json();
        ("POST", format!("/exec/{}/start", exec["Id"].as_str().unwrap()), b"{\"Detach\":true}".to_vec())
    }),
    ("commit", |_, served, round| post(format!("/commit?container={}&repo=committed", running(served, round)))),
    ("copy in", |ground, served, round| {
        ("PUT", format!("/containers/{}/archive?path=/tmp", running(served, round)), ground.context.clone())
    }),
    ("copy out", |_, served, round| {
        ("GET", format!("/containers/{}/archive?path=/bin", made(served, round)), Vec::new())
    }),
    ("save", |_, _, _| ("GET", "/images/busybox/get".to_owned(), Vec::new())),
    ("rm", |_, served, round| ("DELETE", format!("/containers/{}?force=1&v=1", running(served, round)), Vec::new())),
    ("volume", |_, _, round| {
        ("POST", "/volumes/create".to_owned(), json!({"Name": format!("volume-{round}")}).to_string().into_bytes())
    }),
    ("prune containers", |_, _, _| post("/containers/prune".to_owned())),
    ("prune volumes", |_, _, _| post("/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D".to_owned())),
    ("prune builds", |_, _, _| post("/build/prune?all=1".to_owned())),
];

fn post(path: String) -> Asked {
    ("POST", path, Vec::new())
}

/// A container that was never started.
fn made(served: &Served<'_>, round: u64) -> String {
    let host = json!({"NetworkMode": "none"});
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": host, "Volumes": {"/v": {}}});
    served.post(&format!("/containers/create?name=it-{round}"), body).is(201);
    format!("it-{round}")
}

fn running(served: &Served<'_>, round: u64) -> String {
    let name = made(served, round);
    served.ask("POST", &format!("/containers/{name}/start"), None).is(204);
    name
}

/// Sends it, and reads until the end.
fn fire(socket: &Path, (method, path, body): &Asked) {
    let Ok(mut stream) = UnixStream::connect(socket) else { return };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // It may be killed before it has read everything.
    if stream.write_all(&[head.as_bytes(), body].concat()).is_ok() {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// Everything that is listed can be inspected, and the store has only those faults that are expected after a kill.
#[track_caller]
fn is_whole(served: &Served<'_>, store: &TestStore, after: &str) {
    served.get("/_ping").is(200);
    for (list, one) in [("/containers/json?all=1", "/containers"), ("/images/json?all=1", "/images")] {
        for row in served.get(list).is(200).json().as_array().unwrap() {
            served.get(&format!("{one}/{}/json", row["Id"].as_str().unwrap())).is(200);
        }
    }
    served.get("/volumes").is(200);
    served.get("/system/df").is(200);
    let check = store.run(&["system", "check"]);
    assert_eq!(check.code(), Some(0), "after {after}:\n{}{}", check.stdout(), check.stderr());
}

#[test]
fn in_the_middle_of_each_verb() {
    let Some(store) = TestStore::with_busybox() else { return };
    let registry = TestRegistry::start();
    store.run(&["tag", "busybox", &registry.name("base:1")]).ok();
    store.run(&["push", &registry.name("base:1")]).ok();
    let text = "FROM busybox\nCOPY big /big\nRUN cp /big /copy\nRUN ls / > /all\n";
    let context = tar(&[("Dockerfile", text), ("big", &"5".repeat(1 << 20))]);
    let archive = std::fs::read(busybox_archive().unwrap()).unwrap();
    let ground = Ground { store: &store, registry, archive, context };
    let wanted = std::env::var("RBUILD_TEST_KILLS").ok().and_then(|text| text.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut moment = if wanted.is_some() { u64::from(now) } else { 20_261_201 };
    let mut served = Served::of(&store);
    for round in 0..wanted.unwrap_or(2 * VERBS.len() as u64) {
        let (name, verb) = VERBS[(round % VERBS.len() as u64) as usize];
        let asked = verb(&ground, &served, round);
        // Most races are in the first moments.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = if (moment >> 60) % 2 == 0 { 30_000 } else { 250_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| fire(&served.socket, &asked));
            std::thread::sleep(Duration::from_micros((moment >> 20) % most));
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&served.child),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        });
        served.child.wait().unwrap();
        served = Served::of(&store);
        is_whole(&served, &store, &format!("{name}, round {round}"));
    }
    works_all(&served, &ground);
    for row in served.get("/containers/json?all=1").is(200).json().as_array().unwrap() {
        served.ask("DELETE", &format!("/containers/{}?force=1&v=1", row["Id"].as_str().unwrap()), None).is(204);
    }
    drop(served);
    // No process was left behind: no monitor of a removed container, no program of a step.
    wait_for("no process is left", || none(&store.processes()));
    let repaired = store.run(&["system", "check", "--repair"]).ok().stdout();
    let after = store.run(&["system", "check"]).ok().stdout();
    assert_eq!(after, "The store is in order.\n", "{repaired}");
}

/// Each verb works now that nothing interferes.
fn works_all(served: &Served<'_>, ground: &Ground<'_>) {
    for (index, (name, verb)) in VERBS.iter().enumerate() {
        let (method, path, body) = verb(ground, served, 10_000 + index as u64);
        if *name == "attach" {
            continue;
        }
        let headers = [("Content-Type", "application/json"), ("Connection", "close")];
        let reply = http::open(&served.socket, method, &path, &headers, &body).whole(false);
        assert!(reply.status < 300, "{name}: {} {}", reply.status, reply.text());
        assert!(!reply.text().contains("\"errorDetail\""), "{name}: {}", reply.text());
    }
    assert!(ground.store.run(&["images", "-q"]).ok().stdout().lines().count() > 0);
}

#[test]
fn a_step_ends_with_it_and_those_before_it_are_kept() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut served = Served::of(&store);
    let text = |last: &str| format!("FROM busybox\nRUN echo kept > /kept\nRUN {last}\n");
    let context = tar(&[("Dockerfile", &text("echo begun; sleep 1000"))]);
    let mut stream = http::open(&served.socket, "POST", "/build?networkmode=none", &[], &context);
    while !String::from_utf8_lossy(&stream.chunk()).contains(r#""begun\n""#) {}
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    wait_for("the step has ended", || none(&store.processes()));
    let next = Served::of(&store);
    let told = messages(&send(&next, "/build?networkmode=none", &tar(&[("Dockerfile", &text("true"))])).is(200));
    let said: String = told.iter().filter_map(|message| message["stream"].as_str()).collect();
    assert!(said.contains("RUN echo kept > /kept\n ---> Using cache"), "{said}");
    is_whole(&next, &store, "build");
}

#[test]
fn containers_and_what_is_executed_in_them_live_on() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut served = Served::of(&store);
    let runs = running(&served, 0);
    let body = json!({"Cmd": ["sh", "-c", "echo $$ > /exec; sleep 1000"], "AttachStdout": true});
    let exec = served.post(&format!("/containers/{runs}/exec"), body).is(201).json();
    let exec = exec["Id"].as_str().unwrap();
    let hijack = [("Connection", "Upgrade"), ("Upgrade", "tcp")];
    let path = format!("/containers/{runs}/attach?stream=1&stdout=1");
    let attached = http::open(&served.socket, "POST", &path, &hijack, b"");
    let executed = http::open(&served.socket, "POST", &format!("/exec/{exec}/start"), &hijack, b"{}");
    let has_begun =
        |served: &Served<'_>| served.ask("HEAD", &format!("/containers/{runs}/archive?path=/exec"), None).status == 200;
    wait_until("it is executed", || has_begun(&served));
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    // The streams are the service's.
    attached.rest();
    executed.rest();
    let next = Served::of(&store);
    let state = next.get(&format!("/containers/{runs}/json")).is(200).json();
    assert_eq!((&state["State"]["Running"], &state["State"]["Paused"]), (&json!(true), &json!(false)));
    next.ask("DELETE", &format!("/containers/{runs}?force=1"), None).is(204);
    drop(next);
    wait_for("no process is left", || none(&store.processes()));
}

#[test]
fn two_services_do_the_same_on_one_store() {
    let Some(store) = TestStore::with_busybox() else { return };
    let (one, other) = (Served::of(&store), Served::with(&store, &[], "other.sock"));
    let context = tar(&[("Dockerfile", "FROM busybox\nRUN head -c 8 /dev/urandom > /once\n")]);
    let archive = std::fs::read(busybox_archive().unwrap()).unwrap();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let each = |served: &'_ Served<'_>| {
            send(served, "/images/load", &archive).is(200);
            let told = messages(&send(served, "/build?networkmode=none", &context).is(200));
            let id = told.iter().find_map(|message| message["aux"]["ID"].as_str());
            id.unwrap_or_else(|| panic!("{told:?}")).to_owned()
        };
        let threads: Vec<_> = [&one, &other, &one, &other].map(|served| scope.spawn(move || each(served))).into();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "one step, one execution: {ids:?}");
    // A name is taken, whoever asks; what one client has created is visible to the other.
    let body = json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let each = |served: &'_ Served<'_>| served.post("/containers/create?name=once", body.clone()).status;
        let threads: Vec<_> = [&one, &other, &one, &other].map(|served| scope.spawn(move || each(served))).into();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
    let waits = http::open(&one.socket, "POST", "/containers/once/wait?condition=removed", &[], b"");
    other.ask("DELETE", "/containers/once?force=1", None).is(204);
    assert_eq!(waits.whole(false).is(200).json()["StatusCode"], 0);
}

#[test]
fn half_of_an_image_leaves_nothing() {
    let store = TestStore::empty();
    let Some(archive) = busybox_archive() else { return };
    let archive = std::fs::read(archive).unwrap();
    for path in ["/images/load", "/images/create?fromSrc=-&repo=half", "/build"] {
        let mut served = Served::of(&store);
        let mut stream = UnixStream::connect(&served.socket).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", archive.len());
        stream.write_all(&[head.as_bytes(), &archive[..archive.len() / 2]].concat()).unwrap();
        let tmp = store.root().join("tmp");
        let has_begun = || std::fs::read_dir(&tmp).is_ok_and(|mut entries| entries.next().is_some());
        wait_until("it has begun", has_begun);
        served.child.kill().unwrap();
        served.child.wait().unwrap();
        let next = Served::of(&store);
        assert_eq!(next.get("/images/json?all=1").is(200).json(), json!([]), "{path}");
        is_whole(&next, &store, path);
        store.run(&["system", "check", "--repair"]).ok();
        assert!(!has_begun(), "{path}");
        let told = send(&next, "/images/load", &archive).is(200);
        assert!(told.text().contains("Loaded image"), "{}", told.text());
        next.ask("DELETE", "/images/busybox?force=1", None).is(200);
    }
}

#[test]
fn networks_are_taken_away_after_it() {
    if !is_root() {
        return crate::common::skip("networks of the host need root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let mut served = Served::of(&store);
    let name = format!("killed-{}", std::process::id());
    served.post("/networks/create", json!({"Name": name, "IPAM": {"Config": [{"Subnet": "10.213.9.0/24"}]}})).is(201);
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": name}});
    let id = served.post("/containers/create", body).is(201).json()["Id"].as_str().unwrap().to_owned();
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    let next = Served::of(&store);
    let inside = next.get(&format!("/networks/{name}")).is(200).json();
    assert!(inside["Containers"].get(&id).is_some(), "{inside}");
    next.ask("DELETE", &format!("/networks/{name}"), None).is(403);
    next.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    next.ask("DELETE", &format!("/networks/{name}"), None).is(204);
}
