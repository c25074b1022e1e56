//! A client disconnects in the middle: what can be stopped stops, the rest completes, and the service forgets it.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;

use crate::Served;
use crate::common::support::http;
use crate::common::{TestStore, busybox_archive, none, wait_for, wait_until};
use crate::containers::create;
use crate::images::{messages, send, tar};
use crate::registry::TestRegistry;

/// The service's open descriptors, with no client but this one.
fn descriptors(served: &Served<'_>) -> usize {
    // The memory of layers is dropped with the last client.
    served.get("/_ping").is(200);
    let all = std::fs::read_dir(format!("/proc/{}/fd", served.child.id())).unwrap().flatten();
    // Each waiting worker thread has one that leads to all the others.
    all.filter(|one| std::fs::read_link(one.path()).is_ok_and(|link| !link.ends_with("fd"))).count()
}

/// Processes of the store in addition to the service, which does not count itself.
fn helpers(store: &TestStore, before: usize) -> Result<(), String> {
    let now = store.processes();
    if now.len() <= before { Ok(()) } else { none(&now) }
}

fn staged(store: &TestStore) -> Vec<String> {
    let entries = std::fs::read_dir(store.root().join("tmp")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Sends half of a request.
fn half(served: &Served<'_>, method: &str, path: &str, body: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(&served.socket).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body[..body.len() / 2]].concat()).unwrap();
    stream
}

#[test]
fn of_a_pull() {
    let Some(store) = TestStore::with_busybox() else { return };
    let registry = TestRegistry::start();
    store.run(&["tag", "busybox", &registry.name("base:1")]).ok();
    store.run(&["push", &registry.name("base:1")]).ok();
    let fresh = TestStore::empty();
    let served = Served::of(&fresh);
    let path = format!("/images/create?fromImage={}&tag=1", registry.name("base"));
    // A layer that takes hours.
    registry.set_fault(|request, mut reply| {
        if request.path.contains("/blobs/") && reply.body.len() > 100_000 {
            reply.trickle = Some((1000, Duration::from_secs(1)));
        }
        reply
    });
    let mut stream = http::open(&served.socket, "POST", &path, &[], b"");
    while !String::from_utf8_lossy(&stream.chunk()).contains("Downloading") {}
    assert!(!staged(&fresh).is_empty());
    drop(stream);
    wait_for("the pull has stopped", || none(&staged(&fresh)));
    registry.clear_fault();
    let told = messages(&http::open(&served.socket, "POST", &path, &[], b"").whole(false).is(200));
    assert!(told.last().unwrap()["status"].as_str().unwrap().starts_with("Status: Downloaded"), "{told:?}");
}

#[test]
fn of_a_build() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    served.get("/info").is(200);
    let (processes, open) = (store.processes().len(), descriptors(&served));
    let text = |last: &str| format!("FROM busybox\nRUN echo kept > /kept\nRUN {last}\n");
    let context = tar(&[("Dockerfile", &text("echo begun; sleep 1000"))]);
    let mut stream = http::open(&served.socket, "POST", "/build?networkmode=none", &[], &context);
    while !String::from_utf8_lossy(&stream.chunk()).contains(r#""begun\n""#) {}
    drop(stream);
    wait_for("the step has ended", || helpers(&store, processes));
    wait_for("nothing of it is left", || none(&staged(&store)));
    wait_until("what it had open is closed", || descriptors(&served) <= open);
    let told = messages(&send(&served, "/build?networkmode=none", &tar(&[("Dockerfile", &text("true"))])).is(200));
    let said: String = told.iter().filter_map(|message| message["stream"].as_str()).collect();
    assert!(said.contains("RUN echo kept > /kept\n ---> Using cache"), "{said}");
}

#[test]
fn of_what_it_sends() {
    let Some(store) = TestStore::with_busybox() else { return };
    let Some(archive) = busybox_archive() else { return };
    let archive = std::fs::read(archive).unwrap();
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}));
    let before = served.get("/images/json").is(200).json();
    let (processes, open) = (store.processes().len(), descriptors(&served));
    let files = tar(&[("whole", "1"), ("half", &"x".repeat(1 << 20))]);
    for (method, path, body) in [
        ("POST", "/images/load".to_owned(), &archive),
        ("POST", "/images/create?fromSrc=-&repo=half".to_owned(), &archive),
        ("POST", "/build?t=half".to_owned(), &files),
        ("PUT", format!("/containers/{id}/archive?path=/tmp"), &files),
    ] {
        drop(half(&served, method, &path, body));
        wait_for("nobody works for it", || helpers(&store, processes));
        wait_for("nothing of it is left", || none(&staged(&store)));
    }
    assert_eq!(served.get("/images/json").is(200).json(), before);
    wait_until("what it had open is closed", || descriptors(&served) <= open);
}

#[test]
fn of_what_it_reads() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let body = json!({"Cmd": ["sh", "-c", "head -c 30000000 /dev/zero > /big; echo made; while true; do echo y; sleep 0.01; done"],
        "HostConfig": {"NetworkMode": "none"}});
    let id = create(&served, body);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    let logs = format!("/containers/{id}/logs?stdout=1&follow=1");
    drop(http::open(&served.socket, "GET", &logs, &[], b"").chunk());
    let (processes, open) = (store.processes().len(), descriptors(&served));
    let hijack = [("Connection", "Upgrade"), ("Upgrade", "tcp")];
    let exec = served.post(&format!("/containers/{id}/exec"), json!({"Cmd": ["yes"], "AttachStdout": true})).is(201);
    let exec = exec.json()["Id"].as_str().unwrap().to_owned();
    for (method, path) in [
        ("POST", format!("/containers/{id}/attach?stream=1&stdout=1")),
        ("GET", logs),
        ("GET", format!("/containers/{id}/archive?path=/big")),
        ("GET", format!("/containers/{id}/export")),
        ("GET", "/images/busybox/get".to_owned()),
        ("GET", format!("/containers/{id}/stats")),
        ("GET", "/events".to_owned()),
        ("POST", format!("/exec/{exec}/start")),
    ] {
        let headers: &[(&str, &str)] = if method == "POST" { &hijack } else { &[] };
        let body: &[u8] = if path.starts_with("/exec/") { b"{}" } else { b"" };
        let stream = http::open(&served.socket, method, &path, headers, body);
        assert!(stream.status < 300, "{path}: {}", stream.status);
        // It has started, and more is on its way.
        drop(stream);
        let is_exec = path.starts_with("/exec/");
        wait_until(&format!("what {path} had open is closed"), || descriptors(&served) <= open);
        if !is_exec {
            wait_for("nobody works for it", || helpers(&store, processes));
        }
    }
    let state = served.get(&format!("/containers/{id}/json")).is(200).json();
    assert_eq!((&state["State"]["Running"], &state["State"]["Paused"]), (&json!(true), &json!(false)));
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    wait_for("nobody is left but the service", || helpers(&store, 1));
}
