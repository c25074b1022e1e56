//! Networks, volumes, and the system as a whole.

use serde_json::{Value, json};

use crate::Served;
use crate::common::support::skip;
use crate::common::{TestStore, is_root};
use crate::images::{escaped, image};

#[test]
fn networks_are_made_found_and_removed() {
    if !is_root() {
        return skip("networks of the host need root");
    }
    let store = TestStore::empty();
    let served = Served::of(&store);
    let names = |filters: &str| -> Vec<String> {
        let list = served.get(&format!("/networks?filters={}", escaped(filters))).is(200).json();
        list.as_array().unwrap().iter().map(|network| network["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("{}"), ["bridge", "host", "none"]);
    let name = format!("api-{}", std::process::id());
    let body = json!({
        "Name": name, "Driver": "bridge", "Internal": true, "Labels": {"k": "v"}, "CheckDuplicate": true,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.9"}]},
    });
    let made = served.post("/networks/create", body.clone()).is(201).json();
    let id = made["Id"].as_str().unwrap();
    assert_eq!((id.len(), &made["Warning"]), (64, &json!("")));
    let taken = served.post("/networks/create", body).is(409).message();
    assert_eq!(taken, format!("network with name {name} already exists"));
    let found = served.get(&format!("/networks/{}", &id[..12])).is(200).json();
    assert_eq!((&found["Name"], &found["Internal"], &found["Scope"]), (&json!(name), &json!(true), &json!("local")));
    assert_eq!(found["IPAM"]["Config"][0], json!({"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.9"}));
    assert_eq!(found["Containers"], json!({}));
    assert_eq!(found["IPAM"]["Options"], Value::Null, "none were named");
    assert_eq!(names(r#"{"label":["k=v"]}"#), [name.as_str()]);
    served.ask("DELETE", &format!("/networks/{name}"), None).is(204);
    let gone = format!("network {name} not found");
    assert_eq!(served.ask("DELETE", &format!("/networks/{name}"), None).is(404).message(), gone);
    for (body, status) in [
        (json!({}), 400),
        (json!({"Name": "bridge"}), 403),
        (json!({"Name": "x", "Driver": "nope"}), 404),
        (json!({"Name": "x", "IPAM": {"Config": [{"Subnet": "x"}]}}), 400),
        (json!({"Name": "x", "Scope": "swarm"}), 403),
    ] {
        served.post("/networks/create", body).is(status);
    }
    assert!(served.ask("DELETE", "/networks/bridge", None).is(403).message().contains("pre-defined network"));
    served.get(&escaped("/networks?filters={\"nonsense\":[\"a\"]}")).is(400);
    let pruned = served.post(&escaped("/networks/prune?filters={\"label\":[\"none\"]}"), Value::Null).is(200).json();
    assert_eq!(pruned, json!({"NetworksDeleted": null}));
}

#[test]
fn an_address_of_hardware_is_kept_from_when_it_is_asked_for() {
    if !is_root() {
        return skip("networks of the host need root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let name = format!("mac-{}", std::process::id());
    served.post("/networks/create", json!({"Name": name, "IPAM": {"Options": {}}})).is(201);
    assert_eq!(served.get(&format!("/networks/{name}")).json()["IPAM"]["Options"], json!({}));
    let id =
        crate::containers::create(&served, json!({"Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "bridge"}}));
    let address = "02:42:ac:11:00:09";
    let body = json!({"Container": id, "EndpointConfig": {"MacAddress": address}});
    served.post(&format!("/networks/{name}/connect"), body).is(200);
    let found = || {
        let all = served.get(&format!("/containers/{id}/json")).is(200).json();
        all["NetworkSettings"]["Networks"][&name]["MacAddress"].clone()
    };
    assert_eq!(found(), address);
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    assert_eq!(found(), address);
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    served.ask("DELETE", &format!("/networks/{name}"), None).is(204);
}

#[test]
fn volumes_are_made_found_and_removed() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let made =
        served.post("/volumes/create", json!({"Name": "vol", "Labels": {"a": "b"}, "Driver": ""})).is(201).json();
    assert_eq!(
        (&made["Driver"], &made["Scope"], &made["Labels"]),
        (&json!("local"), &json!("local"), &json!({"a": "b"}))
    );
    assert_eq!(served.post("/volumes/create", json!({"Name": "vol"})).is(201).json()["Name"], json!("vol"));
    let anonymous = served.post("/volumes/create", Value::Null).is(201).json()["Name"].clone();
    assert_eq!(served.get("/volumes/vol").is(200).json(), made);
    let list = served.get(&escaped("/volumes?filters={\"label\":{\"a\":true}}")).is(200).json();
    assert_eq!((&list["Volumes"], &list["Warnings"]), (&json!([made]), &Value::Null));
    assert_eq!(served.get("/volumes/none").is(404).message(), "get none: no such volume");
    served.post("/volumes/create", json!({"Name": "vol", "Driver": "nope"})).is(404);
    assert!(served.post("/volumes/create", json!({"Name": "../v"})).is(400).message().starts_with("create ../v: "));
    served.ask("PUT", "/volumes/vol", Some(&json!({}))).is(503);
    let pruned = served.post("/volumes/prune", Value::Null).is(200).json();
    assert_eq!(pruned, json!({"VolumesDeleted": [anonymous], "SpaceReclaimed": 0}));
    served.ask("DELETE", "/volumes/vol", None).is(204);
    served.ask("DELETE", "/volumes/vol", None).is(404);
    served.ask("DELETE", "/volumes/vol?force=1", None).is(204);
    served.post("/volumes/create", json!({"Name": "old"})).is(201);
    let all = served.post("/v1.41/volumes/prune", Value::Null).is(200).json();
    assert_eq!(all["VolumesDeleted"], json!(["old"]), "older clients mean all of them");
}

#[test]
fn what_takes_room_and_what_the_machine_has() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    image(&served, "a:1");
    served.post("/volumes/create", json!({"Name": "vol"})).is(201);
    let all = served.get("/system/df").is(200).json();
    assert_eq!(all["Images"][0]["RepoTags"], json!(["a:1"]));
    assert_eq!((&all["LayersSize"], &all["Images"][0]["SharedSize"]), (&json!(3), &json!(0)));
    let volume = &all["Volumes"][0]["UsageData"];
    assert!(volume["RefCount"] == 0 && volume["Size"].is_u64(), "{volume}");
    assert!(all["BuildCache"].is_array() && all["Containers"] == json!([]));
    let volumes = served.get("/system/df?type=volume").is(200).json();
    assert!(volumes["Images"].is_null() && volumes["Volumes"].is_array());
    assert_eq!(served.get("/system/df?type=x").is(400).message(), "unknown object type: x");
    let info = served.get("/info").is(200).json();
    assert_eq!(
        (&info["OSType"], &info["Images"], &info["Swarm"]["LocalNodeState"]),
        (&json!("linux"), &json!(1), &json!("inactive"))
    );
}

#[test]
fn a_network_may_have_any_name() {
    if !is_root() {
        return skip("networks of the host need root");
    }
    let store = TestStore::empty();
    let served = Served::of(&store);
    let name = format!("api {}/ä", std::process::id());
    served.post("/networks/create", json!({"Name": name})).is(201);
    let path = format!("/networks/{}", name.replace(' ', "%20").replace('ä', "%C3%A4"));
    assert_eq!(served.get(&path).is(200).json()["Name"], json!(name));
    served.ask("DELETE", &path, None).is(204);
    for name in ["", " ", "a\nb", "\u{1b}[31m"] {
        served.post("/networks/create", json!({"Name": name})).is(400);
    }
}
