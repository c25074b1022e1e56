//! Containers through the API: their lifecycle, their streams, their files.

use serde_json::json;

use crate::Served;
use crate::common::support::http::{self, stream_of};
use crate::common::{TestStore, wait_until};

pub fn create(served: &Served<'_>, body: serde_json::Value) -> String {
    let mut whole = json!({"Image": "busybox"});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let made = served.post("/containers/create", whole).is(201).json();
    assert_eq!(made["Warnings"], json!([]));
    made["Id"].as_str().unwrap().to_owned()
}

fn hijack(served: &Served<'_>, path: &str, body: &[u8]) -> http::Open {
    http::open(&served.socket, "POST", path, &[("Connection", "Upgrade"), ("Upgrade", "tcp")], body)
}

#[test]
fn a_container_is_made_started_waited_for_and_removed() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id =
        create(&served, json!({"Cmd": ["sh", "-c", "exit 6"], "Entrypoint": null, "Labels": {"a": "1"}, "NoSuch": 1}));
    // The head arrives before the end.
    let waits = http::open(&served.socket, "POST", &format!("/containers/{id}/wait?condition=next-exit"), &[], b"");
    assert_eq!(waits.status, 200);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    assert_eq!(waits.whole(false).json(), json!({"StatusCode": 6}));
    let listed = served.get("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%3D1%22%5D%7D").is(200).json();
    assert_eq!((listed[0]["Id"].as_str(), listed[0]["State"].as_str()), (Some(id.as_str()), Some("exited")));
    assert_eq!(served.get(&format!("/containers/{id}/json")).is(200).json()["State"]["ExitCode"], 6);
    served.ask("DELETE", &format!("/containers/{id}"), None).is(204);
    served.get(&format!("/containers/{id}/json")).is(404);
}

/// As in docker, a waiting client sees the end of a container that will be restarted.
#[test]
fn each_end_of_a_program_is_waited_for_and_not_only_the_last() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let policy = json!({"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"});
    let id = create(&served, json!({"Cmd": ["sh", "-c", "sleep 0.1; exit 7"], "HostConfig": policy}));
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    for condition in ["", "?condition=not-running", "?condition=next-exit"] {
        let waited = served.ask("POST", &format!("/containers/{id}/wait{condition}"), None).is(200);
        assert_eq!(waited.json(), json!({"StatusCode": 7}), "{condition}");
        assert_eq!(served.get(&format!("/containers/{id}/json")).json()["State"]["Running"], true, "{condition}");
    }
    let removal = http::open(&served.socket, "POST", &format!("/containers/{id}/wait?condition=removed"), &[], b"");
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    assert!(removal.whole(false).json()["StatusCode"].is_number());
}

#[test]
fn isolation_is_kept_as_it_was_sent() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    for isolation in ["", "default", "Default"] {
        let id = create(&served, json!({"HostConfig": {"Isolation": isolation}}));
        let kept = &served.get(&format!("/containers/{id}/json")).json()["HostConfig"]["Isolation"];
        assert_eq!(kept, isolation);
    }
    let refused =
        served.post("/containers/create", json!({"Image": "busybox", "HostConfig": {"Isolation": "process"}}));
    assert_eq!(refused.is(400).message(), "invalid isolation (process): linux only supports 'default'");
}

#[test]
fn what_an_update_is_in_conflict_with() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let has = json!({"NanoCpus": 500_000_000, "Memory": 64 << 20, "MemorySwap": 64 << 20, "AutoRemove": true});
    let id = create(&served, json!({"HostConfig": has}));
    let update = |body: serde_json::Value| served.post(&format!("/containers/{id}/update"), body);
    let always = json!({"RestartPolicy": {"Name": "always"}});
    for (body, said) in [
        (json!({"CpuPeriod": 10_000}), "CPU Period cannot be updated as NanoCPUs has already been set"),
        (json!({"CpuQuota": 10_000}), "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (json!({"Memory": 128 << 20}), "update the memoryswap at the same time"),
        (always, "Restart policy cannot be updated because AutoRemove is enabled for the container"),
    ] {
        let refused = update(body).is(409).message();
        assert!(
            refused.starts_with(&format!("Cannot update container {id}: ")) && refused.ends_with(said),
            "{refused}"
        );
    }
    let unknown = update(json!({"RestartPolicy": {"Name": "x"}})).is(400).message();
    assert!(unknown.starts_with("invalid restart policy: unknown policy 'x'"), "{unknown}");
    let words = ["update", "--cpu-period", "10000", &id];
    assert!(store.run(&words).fails(1).stderr().contains("CPU Period cannot be updated"), "the same by command line");
    update(json!({"Memory": 128 << 20, "MemorySwap": -1})).is(200);
    let host = &served.get(&format!("/containers/{id}/json")).json()["HostConfig"];
    assert_eq!((&host["Memory"], &host["CpuPeriod"]), (&json!(128 << 20), &json!(0)));
}

#[test]
fn what_runs_is_removed_by_force_and_links_by_name() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["sleep", "300"], "HostConfig": {"NetworkMode": "none"}}));
    served.ask("POST", &format!("/containers/{id}/rename?name=busy"), None).is(204);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    let delete = |path: &str| served.ask("DELETE", path, None);
    let said =
        "cannot remove container \"busy\": container is running: stop the container before removing or force remove";
    assert_eq!(delete("/containers/busy").is(409).message(), said);
    let by_words = store.run(&["rm", "busy"]).fails(1).stderr();
    assert!(by_words.contains("container is running") && by_words.contains("or use -f"), "{by_words}");
    assert_eq!(delete("/containers/busy/none?link=1").is(404).message(), "No such container: busy/none");
    delete("/containers/busy?force=1").is(204);
}

#[test]
fn volumes_outlive_containers_that_are_pruned() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let volumes = || served.get("/volumes").is(200).json()["Volumes"].as_array().unwrap().len();
    let prune_by_api = || {
        let pruned = served.post("/containers/prune", serde_json::Value::Null).is(200).json();
        pruned["ContainersDeleted"][0].as_str().unwrap().to_owned()
    };
    let first = create(&served, json!({"Volumes": {"/data": {}}}));
    assert_eq!((prune_by_api(), volumes()), (first, 1));
    for (words, left) in [(&["container", "prune", "-f"][..], 2), (&["system", "prune", "-f"][..], 3)] {
        let id = create(&served, json!({"Volumes": {"/data": {}}}));
        let said = store.run(words).ok().stdout();
        assert!(said.starts_with(&format!("Deleted Containers:\n{id}\n\n")), "{said}");
        assert_eq!(volumes(), left, "{words:?}");
    }
}

#[test]
fn whoever_attaches_before_the_start_hears_everything() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    for round in 0..5 {
        let id = create(&served, json!({"Cmd": ["sh", "-c", "echo out; echo err >&2"]}));
        let attached = hijack(&served, &format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1"), b"{}");
        assert_eq!((attached.status, attached.reason.as_str()), (101, "UPGRADED"));
        assert_eq!(attached.header("content-type"), Some("application/vnd.docker.multiplexed-stream"));
        served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
        let bytes = attached.rest();
        let both = (stream_of(&bytes, 1), stream_of(&bytes, 2));
        assert_eq!(both, (b"out\n".to_vec(), b"err\n".to_vec()), "round {round}");
    }
}

#[test]
fn the_body_of_attach_is_no_input_and_half_a_connection_can_end() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true, "AttachStdin": true}));
    let path = format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1");
    let attached = hijack(&served, &path, br#"{"stream":true}"#);
    attached.send(b"typed");
    attached.end_input();
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    assert_eq!(stream_of(&attached.rest(), 1), b"typed");
}

#[test]
fn programs_in_containers() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["sleep", "300"]}));
    let exec = |body: serde_json::Value| served.post(&format!("/containers/{id}/exec"), body);
    let stopped = exec(json!({"Cmd": ["true"]})).is(409);
    assert_eq!(stopped.message(), format!("container {id} is not running"));
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(304);
    let made = exec(json!({"Cmd": ["wc", "-c"], "AttachStdin": true, "AttachStdout": true})).is(201).json();
    let program = made["Id"].as_str().unwrap();
    let begun = hijack(&served, &format!("/exec/{program}/start"), br#"{"Detach":false,"Tty":false}"#);
    begun.send(b"12345");
    begun.end_input();
    assert_eq!(stream_of(&begun.rest(), 1), b"5\n");
    let ended = served.get(&format!("/exec/{program}/json")).is(200).json();
    assert_eq!((&ended["Running"], &ended["ExitCode"]), (&json!(false), &json!(0)));
    let missing = exec(json!({"Cmd": ["nonsense"], "AttachStdout": true})).is(201).json();
    let path = format!("/exec/{}/start", missing["Id"].as_str().unwrap());
    let said = hijack(&served, &path, b"{}").rest();
    assert!(String::from_utf8_lossy(&said).contains("executable file not found"), "{said:?}");
    // The client chooses the form of the output, whatever the program has.
    let framed = exec(json!({"Cmd": ["echo", "framed"], "AttachStdout": true, "Tty": true})).is(201).json();
    let path = format!("/exec/{}/start", framed["Id"].as_str().unwrap());
    assert_eq!(stream_of(&hijack(&served, &path, br#"{"Tty":false}"#).rest(), 1), b"framed\r\n");
    exec(json!({"Cmd": []})).is(400);
    served.get("/exec/none/json").is(404);
    served.ask("DELETE", &format!("/containers/{id}"), None).is(409);
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
}

#[test]
fn containers_live_on_without_the_service_and_another_one_has_them() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut first = Served::of(&store);
    let second = Served::with(&store, &[], "second.sock");
    let id = create(&first, json!({"Cmd": ["sleep", "300"]}));
    first.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert_eq!(second.get(&format!("/containers/{id}/json")).json()["State"]["Running"], true);
    assert!(store.run(&["ps", "-q", "--no-trunc"]).ok().stdout().contains(&id));
    second.ask("POST", &format!("/containers/{id}/stop?t=0"), None).is(204);
    second.ask("POST", &format!("/containers/{id}/stop"), None).is(304);
    second.ask("POST", &format!("/containers/{id}/kill"), None).is(409);
}

#[test]
fn logs_are_framed_by_lines() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["sh", "-c", "echo a; echo b"]}));
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    let logs = served.get(&format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1")).is(200);
    assert_eq!(logs.body, b"\x01\0\0\0\0\0\0\x02a\n\x01\0\0\0\0\0\0\x02b\n");
    assert!(served.get(&format!("/containers/{id}/logs")).is(400).message().contains("at least one stream"));
}

#[test]
fn files_go_in_and_out() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["true"]}));
    let look = |path: &str| served.ask("HEAD", &format!("/containers/{id}/archive?path={path}"), None);
    assert!(look("/etc/passwd").is(200).header("x-docker-container-path-stat").is_some());
    look("/none").is(404);
    served.get(&format!("/containers/{id}/archive")).is(400);
    let archive = served.get(&format!("/containers/{id}/archive?path=/etc/passwd")).is(200);
    assert_eq!(archive.header("content-type"), Some("application/x-tar"));
    let path = format!("/containers/{id}/archive?path=/tmp");
    let taken = http::open(&served.socket, "PUT", &path, &[("Connection", "close")], &archive.body).whole(false);
    taken.is(200);
    look("/tmp/passwd").is(200);
}

#[test]
fn names_are_taken_once() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let body = json!({"Image": "busybox"});
    served.post("/containers/create?name=one", body.clone()).is(201);
    let taken = served.post("/containers/create?name=one", body.clone()).is(409).message();
    assert!(taken.starts_with("Conflict. The container name \"/one\" is already in use by container"), "{taken}");
    served.post("/containers/create?name=.x", body).is(400);
    let missing = served.post("/containers/create", json!({"Image": "no/such:1"})).is(404);
    assert_eq!(missing.message(), "No such image: no/such:1");
}

#[test]
fn one_who_leaves_is_not_waited_for() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"Cmd": ["true"]}));
    let folder = store.root().join("containers").join(&id).join("pending");
    let waits = http::open(&served.socket, "POST", &format!("/containers/{id}/wait?condition=next-exit"), &[], b"");
    let count = || std::fs::read_dir(&folder).map_or(0, |files| files.count());
    assert_eq!(count(), 1);
    drop(waits);
    wait_until("nobody waits any more", || count() == 0);
}

/// docker-py sets it beside `HostConfig`.
#[test]
fn a_runtime_may_stand_in_two_places() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let runtime = |body: serde_json::Value| {
        let id = create(&served, body);
        served.get(&format!("/containers/{id}/json")).is(200).json()["HostConfig"]["Runtime"].clone()
    };
    let shell = json!(std::fs::canonicalize("/bin/sh").unwrap());
    assert_eq!(runtime(json!({})), json!("rbuild"));
    assert_eq!(runtime(json!({"Runtime": "/bin/sh"})), shell);
    assert_eq!(runtime(json!({"HostConfig": {"Runtime": "/bin/sh"}, "Runtime": "rbuild"})), shell);
}
