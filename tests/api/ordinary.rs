//! The same for an ordinary user: the service is that user's, with no more rights.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::Served;
use crate::common::TestStore;
use crate::common::support::http::{self, stream_of};
use crate::containers::create;
use crate::images::{messages, send, tar};

#[test]
fn a_users_service_builds_runs_and_looks_in() {
    let Some(store) = TestStore::of_user() else { return };
    let served = Served::of(&store);
    let home = std::fs::metadata(store.work()).unwrap().uid();
    assert_eq!(std::fs::metadata(&served.socket).unwrap().uid(), home, "the socket is the user's");
    let options = served.get("/info").is(200).json()["SecurityOptions"].clone();
    assert!(options.as_array().unwrap().iter().any(|option| option == "name=rootless"), "{options}");

    let dockerfile =
        "FROM busybox\nRUN id -u > /by && echo app:x:70:70::/:/bin/sh >> /etc/passwd && chown app /by\nUSER app\n";
    let told = messages(&send(&served, "/build?t=own&networkmode=none", &tar(&[("Dockerfile", dockerfile)])).is(200));
    assert!(told.iter().any(|message| message["aux"]["ID"].is_string()), "{told:?}");
    let id = create(
        &served,
        json!({"Image": "own", "Cmd": ["sh", "-c", "cat; sleep 1000"], "OpenStdin": true,
        "HostConfig": {"NetworkMode": "none"}}),
    );
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);

    let body = json!({"AttachStdout": true, "Cmd": ["sh", "-c", "id -un; cat /by; ls -l /by"]});
    let exec = served.post(&format!("/containers/{id}/exec"), body).is(201).json();
    let path = format!("/exec/{}/start", exec["Id"].as_str().unwrap());
    let headers = [("Connection", "Upgrade"), ("Upgrade", "tcp"), ("Content-Type", "application/json")];
    let said = http::open(&served.socket, "POST", &path, &headers, b"{}").rest();
    let said = String::from_utf8(stream_of(&said, 1)).unwrap();
    assert!(said.starts_with("app\n0\n") && said.contains(" app "), "{said}");

    let archive = tar(&[("inside", "content")]);
    let put = http::open(&served.socket, "PUT", &format!("/containers/{id}/archive?path=/tmp"), &[], &archive);
    put.whole(false).is(200);
    let back = served.get(&format!("/containers/{id}/archive?path=/tmp/inside")).is(200);
    let mut entries = tar::Archive::new(back.body.as_slice());
    let mut entry = entries.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(std::io::read_to_string(&mut entry).unwrap(), "content");

    served.ask("POST", &format!("/containers/{id}/stop?t=0"), None).is(204);
    assert_eq!(served.ask("POST", &format!("/containers/{id}/wait"), None).is(200).json()["StatusCode"], 137);
    served.ask("DELETE", &format!("/containers/{id}"), None).is(204);
}

#[test]
fn a_users_networks_and_volumes() {
    let Some(store) = TestStore::of_user() else { return };
    let served = Served::of(&store);
    served.post("/volumes/create", json!({"Name": "data"})).is(201);
    served.post("/networks/create", json!({"Name": "own"})).is(201);
    let mount = json!([{"Type": "volume", "Source": "data", "Target": "/data"}]);
    let id = create(
        &served,
        json!({"Cmd": ["sh", "-c", "echo kept > /data/file"],
        "HostConfig": {"NetworkMode": "none", "Mounts": mount}}),
    );
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    assert_eq!(served.ask("POST", &format!("/containers/{id}/wait"), None).is(200).json()["StatusCode"], 0);
    let used = served.ask("DELETE", "/volumes/data", None).is(409).message();
    assert!(used.contains("volume is in use"), "{used}");
    served.ask("DELETE", &format!("/containers/{id}"), None).is(204);
    served.ask("DELETE", "/volumes/data", None).is(204);
    served.ask("DELETE", "/networks/own", None).is(204);
}
