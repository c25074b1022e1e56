//! Statuses and words of dockerd 28.5 that clients branch on or people search for, and what its lists and documents have.

use serde_json::{Value, json};

use crate::Served;
use crate::common::TestStore;
use crate::common::support::http;

/// A container of busybox with more in its request.
fn body(more: &Value) -> Value {
    let mut body = json!({"Image": "busybox", "Cmd": ["true"]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn containers_that_docker_refuses_to_make() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let host = |more: Value| json!({"HostConfig": more});
    let mount = |more: Value| json!({"HostConfig": {"Mounts": [more]}});
    for (more, status, words) in [
        // A 404 would make docker's CLI pull the image.
        (host(json!({"VolumesFrom": ["none"]})), 400, "No such container: none"),
        (host(json!({"IpcMode": "container:none"})), 400, "No such container: none"),
        (host(json!({"PidMode": "container:none"})), 400, "No such container: none"),
        (host(json!({"Links": ["none:x"]})), 400, "could not get container for none: No such container: none"),
        (host(json!({"Links": ["a:b:c"]})), 400, "bad format for links: a:b:c"),
        (host(json!({"NetworkMode": "host", "Links": ["a:b"]})), 400, "conflicting options: host type networking"),
        (host(json!({"Binds": ["/a:/b:c:d"]})), 500, "invalid volume specification: '/a:/b:c:d'"),
        (host(json!({"Binds": ["/tmp:x"]})), 500, "invalid mount path: 'x' mount path must be absolute"),
        (host(json!({"Binds": ["/tmp:/"]})), 500, "invalid specification: destination can't be '/'"),
        (host(json!({"Binds": ["/tmp:/x:ro,rw"]})), 500, "invalid mode: ro,rw"),
        (host(json!({"CapAdd": ["NONE"]})), 400, "invalid CapAdd: unknown capability: \"CAP_NONE\""),
        (host(json!({"Memory": 1000})), 400, "Minimum memory limit allowed is 6MB"),
        (host(json!({"ExtraHosts": ["a:none"]})), 400, "invalid IP address in add-host: \"none\""),
        (mount(json!({"Type": "x", "Target": "/x"})), 400, "invalid mount config for type \"x\": mount type unknown"),
        (mount(json!({"Type": "bind", "Target": "/x"})), 400, "field Source must not be empty"),
        (mount(json!({"Type": "bind", "Source": "/tmp"})), 400, "field Target must not be empty"),
        (mount(json!({"Type": "tmpfs", "Source": "a", "Target": "/x"})), 400, "field Source must not be specified"),
        (
            mount(json!({"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Options": [["dev"]]}})),
            400,
            "invalid mount config for type \"tmpfs\": invalid option: dev",
        ),
        (
            mount(json!({"Type": "bind", "Source": "/tmp", "Target": "/x", "VolumeOptions": {}})),
            400,
            "VolumeOptions must not be specified on mount type \"bind\"",
        ),
        (
            mount(json!({"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {"Subpath": "../x"}})),
            400,
            "subpath must be a relative path within the volume",
        ),
        (
            json!({"NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["a"]}}}}),
            400,
            "network-scoped alias is supported only for containers in user defined networks",
        ),
    ] {
        let said = served.post("/containers/create", body(&more)).is(status).message();
        assert!(said.contains(words), "{more}: {said}");
    }
    assert_eq!(served.get("/containers/json?all=1").json(), json!([]));
}

#[test]
fn what_inspect_and_the_list_say_of_a_request() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    served.post("/containers/create?name=target", body(&json!({}))).is(201);
    let host = json!({"Memory": 64 << 20, "PidsLimit": -1, "Links": ["target:alias"], "Annotations": {"a": "b"}});
    let more = json!({"WorkingDir": "/x/../y/", "Entrypoint": [], "Cmd": [], "HostConfig": host});
    served.post("/containers/create?name=one", body(&more)).is(201);
    let one = served.get("/containers/one/json").json();
    let host = &one["HostConfig"];
    assert_eq!((&host["MemorySwap"], &host["PidsLimit"]), (&json!(128 << 20), &Value::Null));
    assert_eq!(host["Links"], json!(["/target:/one/alias"]));
    // An empty entrypoint is none, and takes no command away.
    assert_eq!((&one["Config"]["WorkingDir"], &one["Path"]), (&json!("/y"), &json!("sh")));
    let rows = served.get("/containers/json?all=1&size=1").json();
    assert_eq!(rows[0]["HostConfig"], json!({"NetworkMode": "bridge", "Annotations": {"a": "b"}}));
    assert_eq!(rows[1]["Names"], json!(["/target", "/one/alias"]));
    assert!(rows[0].get("SizeRw").is_none() && rows[0]["SizeRootFs"].as_u64() > Some(0), "{rows}");
    let named = |filters: &str| {
        let rows = served.get(&format!("/containers/json?filters={filters}")).is(200).json();
        rows.as_array().unwrap().len()
    };
    // docker shows those that have ended only when asked for a status or for all.
    let created = named("%7B%22status%22:%5B%22created%22%5D%7D");
    assert_eq!((named("%7B%22exited%22:%5B%220%22%5D%7D"), created, named("null")), (0, 2, 0));
}

#[test]
fn states_and_names_in_dockers_words() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let ask = |method: &str, path: &str, status: u16| served.ask(method, path, None).is(status).message();
    let run = json!({"Cmd": ["sleep", "1000"], "HostConfig": {"Init": true, "NetworkMode": "none"}});
    let created = served.post("/containers/create?name=one", body(&run)).is(201).json();
    let id = created["Id"].as_str().unwrap();
    assert_eq!(ask("POST", "/containers/one/pause", 409), format!("container {id} is not running"));
    assert_eq!(ask("POST", "/containers/one/unpause", 500), format!("Container {id} is not paused"));
    assert_eq!(ask("POST", "/containers/one/kill?signal=X", 400), "cannot kill container: one: invalid signal: X");
    assert_eq!(ask("POST", "/containers/none/kill", 404), "cannot kill container: none: No such container: none");
    assert_eq!(ask("POST", "/containers/one/resize?h=x&w=1", 400), "invalid resize height \"x\": invalid syntax");
    assert_eq!(ask("POST", "/containers/one/exec", 400), "No exec command specified");
    let renamed = ask("POST", "/containers/one/rename?name=a%20b", 400);
    assert!(renamed.starts_with("Error when allocating new name: Invalid container name (/a b)"), "{renamed}");
    let with_body = served.post("/containers/one/start", json!({"Binds": []})).is(400).message();
    assert!(with_body.starts_with("starting container with non-empty request body"), "{with_body}");
    served.post("/containers/one/start", json!({})).is(204);
    assert!(ask("DELETE", "/containers/one", 409).starts_with("cannot remove container \"one\": container is running"));
    served.ask("POST", "/containers/one/pause", None).is(204);
    assert_eq!(ask("POST", "/containers/one/pause", 409), format!("Container {id} is already paused"));
    let paused = "cannot remove container \"one\": container is paused and must be unpaused first";
    assert_eq!(ask("DELETE", "/containers/one", 409), paused);
    served.ask("DELETE", "/containers/one?force=1", None).is(204);
    for (network, status, words) in [
        ("none-such", 404, "failed to set up container networking: network none-such not found"),
        ("none", 400, "exec: \"nothing\": executable file not found in $PATH"),
    ] {
        let more = json!({"Cmd": ["nothing"], "HostConfig": {"NetworkMode": network}});
        served.post("/containers/create?name=one", body(&more)).is(201);
        let said = ask("POST", "/containers/one/start", status);
        assert!(said.ends_with(words), "{said}");
        served.ask("DELETE", "/containers/one", None).is(204);
    }
    served.post("/containers/create?name=/one", body(&json!({}))).is(201);
    served.post("/containers/create?name=//two", body(&json!({}))).is(400);
}

fn archive(entries: &[(&str, tar::EntryType)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(0);
        header.set_mode(0o755);
        header.set_uid(5);
        header.set_gid(6);
        archive.append_data(&mut header, name, std::io::empty()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn archives_take_the_place_and_the_owners_that_are_asked_for() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    served.post("/containers/create?name=one", body(&json!({"User": "77:88"}))).is(201);
    let put = |query: &str, entries: &[(&str, tar::EntryType)]| {
        let path = format!("/containers/one/archive?path=/tmp{query}");
        http::open(&served.socket, "PUT", &path, &[("Connection", "close")], &archive(entries)).whole(false)
    };
    let (file, folder) = (tar::EntryType::Regular, tar::EntryType::Directory);
    put("", &[("kept", file), ("there", folder), ("there/in", file)]).is(200);
    put("&copyUIDGID=1", &[("given", file)]).is(200);
    put("&noOverwriteDirNonDir=1", &[("there", file)]).is(500);
    put("&noOverwriteDirNonDir=true", &[("kept", folder)]).is(500);
    put("", &[("there", file)]).is(200);
    let packed = served.get("/containers/one/archive?path=/tmp").is(200).body;
    let mut packed = tar::Archive::new(packed.as_slice());
    let entries = packed.entries().unwrap().map(Result::unwrap).map(|entry| {
        let name = entry.path().unwrap().display().to_string();
        (name, entry.header().uid().unwrap(), entry.header().gid().unwrap(), entry.header().entry_type() == file)
    });
    let found: Vec<_> = entries.filter(|(name, ..)| name != "tmp/").collect();
    let expected = [("tmp/given", 77, 88, true), ("tmp/kept", 5, 6, true), ("tmp/there", 5, 6, true)];
    assert_eq!(found, expected.map(|(name, uid, gid, is_file)| (name.to_owned(), uid, gid, is_file)));
    served.post("/containers/create?name=read-only", body(&json!({"HostConfig": {"ReadonlyRootfs": true}}))).is(201);
    let path = "/containers/read-only/archive?path=/tmp";
    let refused = http::open(&served.socket, "PUT", path, &[("Connection", "close")], &archive(&[])).whole(false);
    assert_eq!(refused.is(400).message(), "container rootfs is marked read-only");
}

#[test]
fn networks_and_volumes_in_dockers_words() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let network = |pools: Value| json!({"Name": "net", "IPAM": {"Config": pools}});
    for (pools, status, words) in [
        (json!([{"Subnet": "10.201.3.5/24"}]), 400, "invalid subnet 10.201.3.5/24: it should be 10.201.3.0/24"),
        (json!([{"Gateway": "10.201.3.1"}]), 400, "invalid subnet : invalid CIDR block notation"),
        (json!([{"Subnet": "10.201.3.0/24"}, {"Subnet": "10.201.4.0/24"}]), 403, "doesn't support multiple subnets"),
    ] {
        let said = served.post("/networks/create", network(pools)).is(status).message();
        assert!(said.contains(words), "{said}");
    }
    for path in ["/networks/bridge/connect", "/networks/none-such/disconnect"] {
        assert_eq!(served.post(path, json!({})).is(400).message(), "invalid name or ID supplied: \"\"");
        assert_eq!(served.post(path, json!({"Container": "x"})).is(404).message(), "No such container: x");
    }
    for (options, words) in [
        (json!({"type": "tmpfs"}), "create data: missing required option: \"device\""),
        (json!({"other": "x"}), "create data: invalid option: \"other\""),
    ] {
        let said = served.post("/volumes/create", json!({"Name": "data", "DriverOpts": options})).is(400).message();
        assert_eq!(said, words);
    }
    let too_short = served.post("/volumes/create", json!({"Name": "a"})).is(400).message();
    assert_eq!(too_short, "create a: volume name is too short, names should be at least two alphanumeric characters");
    served.post("/volumes/create", json!({"Name": "data"})).is(201);
    // It is there, whatever it was made with.
    let again = json!({"Name": "data", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}});
    assert_eq!(served.post("/volumes/create", again).is(201).json()["Options"], Value::Null);
    assert_eq!(served.ask("DELETE", "/volumes/other", None).is(404).message(), "get other: no such volume");
}
