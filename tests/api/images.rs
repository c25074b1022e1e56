//! Images: building, inspecting, naming, moving, removing.

use serde_json::{Value, json};

use crate::Served;
use crate::common::TestStore;
use crate::common::small_disk::Small;
use crate::common::support::http;
use crate::registry::TestRegistry;
use crate::web;

/// A tar archive of these files.
pub fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Percent-encodes JSON, as clients do in URLs.
pub fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'"' | b'{' | b'}' | b'[' | b']' | b' ' | b'\\' => format!("%{byte:02X}"),
        other => char::from(other).to_string(),
    };
    text.bytes().map(escape).collect()
}

/// The messages of a JSON stream.
#[track_caller]
pub fn messages(reply: &http::Reply) -> Vec<Value> {
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
    text.split_terminator("\r\n").map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sends bytes.
#[track_caller]
pub fn send(served: &Served<'_>, path: &str, body: &[u8]) -> http::Reply {
    http::open(&served.socket, "POST", path, &[("Connection", "close")], body).whole(false)
}

/// Creates an image of a unique file.
#[track_caller]
pub fn image(served: &Served<'_>, name: &str) -> String {
    let context = tar(&[("Dockerfile", "FROM scratch\nCOPY f /\nLABEL l=v\n"), ("f", name)]);
    let reply = send(served, &format!("/build?t={name}"), &context).is(200);
    let messages = messages(&reply);
    let id = messages.iter().find_map(|message| message["aux"]["ID"].as_str());
    id.unwrap_or_else(|| panic!("{messages:?}")).to_owned()
}

#[test]
fn what_is_there_is_listed_and_described() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    assert_eq!(served.get("/images/json").is(200).json(), json!([]));
    let id = image(&served, "a:1");
    served.post("/images/a:1/tag?repo=r.example/b&tag=2", Value::Null).is(201);
    let list = served.get("/images/json").is(200).json();
    let row = &list[0];
    assert_eq!((&row["Id"], &row["ParentId"], &row["SharedSize"]), (&json!(id), &json!(""), &json!(-1)));
    assert_eq!((&row["RepoTags"], &row["RepoDigests"]), (&json!(["a:1", "r.example/b:2"]), &json!([])));
    assert_eq!((&row["Labels"], &row["Size"]), (&json!({"l": "v"}), &json!(3)));
    assert!(row.get("VirtualSize").is_none());
    assert_eq!(served.get("/v1.43/images/json").is(200).json()[0]["VirtualSize"], json!(3));
    let filtered = |filters: &str| served.get(&format!("/images/json?filters={}", escaped(filters))).is(200).json();
    assert_eq!(filtered(r#"{"reference":["a"]}"#)[0]["RepoTags"], json!(["a:1"]));
    assert_eq!(filtered(r#"{"label":{"l=w":true}}"#), json!([]));
    for wrong in [r#"{"nonsense":["a"]}"#, "nonsense"] {
        assert!(
            served
                .get(&format!("/images/json?filters={}", escaped(wrong)))
                .is(400)
                .message()
                .starts_with("invalid filter")
        );
    }
    let found = served.get(&format!("/images/{}/json", &id[7..19])).is(200).json();
    assert_eq!((&found["Id"], &found["RootFS"]["Type"]), (&json!(id), &json!("layers")));
    assert_eq!(found["Config"]["Env"], json!(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]));
    let history = served.get("/images/r.example/b:2/history").is(200).json();
    assert_eq!(history[0]["CreatedBy"], json!("LABEL l=v"));
    assert_eq!((&history[0]["Id"], &history[1]["Id"]), (&json!(id), &json!("<missing>")));
    assert_eq!(history[0]["Tags"], json!(["a:1", "r.example/b:2"]));
    assert!(served.get("/images/UPPER/json").is(400).message().starts_with("invalid reference format"));
    for path in ["/images/none/json", "/images/none/history", "/images/none/get", "/images/get?names=none"] {
        assert_eq!(served.get(path).is(404).message(), "No such image: none:latest", "{path}");
    }
}

#[test]
fn names_come_and_go() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let id = image(&served, "a:1");
    assert!(served.post("/images/a:1/tag?repo=UPPER", Value::Null).is(400).message().contains("must be lowercase"));
    assert_eq!(served.post("/images/none/tag?repo=b", Value::Null).is(404).message(), "No such image: none:latest");
    served.post("/images/a:1/tag?repo=b&tag=1", Value::Null).is(201);
    let conflict = served.ask("DELETE", &format!("/images/{id}"), None).is(409).message();
    assert!(conflict.contains("(must be forced) - image is referenced in multiple repositories"), "{conflict}");
    assert_eq!(served.ask("DELETE", "/images/b:1", None).is(200).json(), json!([{"Untagged": "b:1"}]));
    let removed = served.ask("DELETE", "/images/a:1", None).is(200).json();
    assert_eq!((&removed[0], &removed[1]), (&json!({"Untagged": "a:1"}), &json!({"Deleted": id})));
    assert_eq!(served.ask("DELETE", "/images/a:1?force=1", None).is(404).message(), "No such image: a:1");
}

#[test]
fn an_archive_goes_out_and_comes_in() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let (one, two) = (image(&served, "a:1"), image(&served, "b:1"));
    let archive = served.get("/images/get?names=a:1&names=b:1").is(200);
    assert_eq!(archive.header("content-type"), Some("application/x-tar"));
    for id in [&one, &two] {
        served.ask("DELETE", &format!("/images/{id}?force=1"), None).is(200);
    }
    let loaded = messages(&send(&served, "/images/load?quiet=1", &archive.body).is(200));
    assert_eq!(loaded, [json!({"stream": "Loaded image: a:1\n"}), json!({"stream": "Loaded image: b:1\n"})]);
    assert_eq!(served.get("/images/a:1/json").is(200).json()["Id"], json!(one));
    let whole = served.get("/images/a:1/get").is(200).body;
    let half = messages(&send(&served, "/images/load", &whole[..whole.len() / 2]).is(200));
    assert!(half[0]["error"].is_string() && half[0]["errorDetail"]["message"] == half[0]["error"], "{half:?}");
    let rubbish = messages(&send(&served, "/images/load", b"rubbish").is(200));
    assert!(rubbish[0]["error"].is_string(), "{rubbish:?}");
}

#[test]
fn a_root_filesystem_becomes_an_image() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let path = "/images/create?fromSrc=-&repo=flat&tag=1&message=hm&changes=ENV%20A=b%0ACMD%20x";
    let answer = messages(&send(&served, path, &tar(&[("f", "x")])).is(200));
    assert!(answer[0]["status"].as_str().is_some_and(|id| id.starts_with("sha256:")), "{answer:?}");
    let found = served.get("/images/flat:1/json").is(200).json();
    assert_eq!((&found["Comment"], &found["Config"]["Cmd"]), (&json!("hm"), &json!(["/bin/sh", "-c", "x"])));
    send(&served, "/images/create?fromSrc=-&repo=flat&changes=NONSENSE", &tar(&[])).is(400);
    served.post("/images/create", Value::Null).is(400);
}

#[test]
fn registries_are_pushed_to_and_pulled_from() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let registry = TestRegistry::start();
    let (id, name) = (image(&served, "a:1"), registry.name("far"));
    served.post(&format!("/images/a:1/tag?repo={name}&tag=1"), Value::Null).is(201);
    let pushed = messages(&send(&served, &format!("/images/{name}/push?tag=1"), b"").is(200));
    assert_eq!(pushed[0], json!({"status": format!("The push refers to repository [{name}]")}));
    let says = |messages: &[Value], status: &str| messages.iter().any(|message| message["status"] == status);
    assert!(says(&pushed, "Preparing") && says(&pushed, "Pushed"), "{pushed:?}");
    let aux = &pushed.last().unwrap()["aux"];
    let digest = aux["Digest"].as_str().unwrap();
    assert_eq!(aux["Tag"], json!("1"));
    let digests = served.get("/images/a:1/json").is(200).json()["RepoDigests"].clone();
    assert_eq!(digests, json!([format!("{name}@{digest}")]));
    let known = served.get(&format!("/distribution/{name}:1/json")).is(200).json();
    assert_eq!((&known["Descriptor"]["digest"], &known["Platforms"][0]["os"]), (&json!(digest), &json!("linux")));

    served.ask("DELETE", &format!("/images/{id}?force=1"), None).is(200);
    let pulled = messages(&send(&served, &format!("/images/create?fromImage={name}&tag=1"), b"").is(200));
    assert_eq!(pulled[0], json!({"status": "Pulling from far", "id": "1"}));
    let last = |messages: &[Value]| messages.last().unwrap()["status"].as_str().unwrap().to_owned();
    assert_eq!(last(&pulled), format!("Status: Downloaded newer image for {name}:1"));
    let again = messages(&send(&served, &format!("/images/create?fromImage={name}:1"), b"").is(200));
    assert_eq!(last(&again), format!("Status: Image is up to date for {name}:1"));
    let none = send(&served, &format!("/images/create?fromImage={name}&tag=none"), b"").is(404);
    assert_eq!(none.message(), format!("manifest for {name}:none not found: manifest unknown: manifest unknown"));
    let missing = messages(&send(&served, "/images/none/push?tag=1", b"").is(200));
    assert_eq!(missing[1]["error"], json!("An image does not exist locally with the tag: none:1"));
    send(&served, "/images/create?fromImage=localhost:1/none&tag=1", b"").is(500);
}

#[test]
fn credentials_come_with_the_request() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let registry = TestRegistry::start();
    registry.set_gate(|request| {
        // `u:p`
        let is_known = request.header("authorization") == Some("Basic dTpw");
        let challenge = || web::Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\"");
        (!is_known).then(challenge)
    });
    let login = |password: &str| json!({"username": "u", "password": password, "serveraddress": registry.address});
    let accepted = served.post("/auth", login("p")).is(200).json();
    assert_eq!(accepted, json!({"IdentityToken": "", "Status": "Login Succeeded"}));
    assert!(served.post("/auth", login("q")).is(401).message().contains("unauthorized"));
    let name = registry.name("far");
    let pull = |headers: &[(&str, &str)]| {
        let path = format!("/images/create?fromImage={name}&tag=1");
        http::open(&served.socket, "POST", &path, &[&[("Connection", "close")], headers].concat(), b"").whole(false)
    };
    assert!(pull(&[]).is(404).message().starts_with("pull access denied for"));
    // {"username":"u","password":"p"}
    let known = pull(&[("X-Registry-Auth", "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifQ==")]);
    assert!(known.is(404).message().starts_with("manifest for"), "it may ask, and there is nothing");
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let Some(small) = Small::new(24) else { return };
    let served = Served::of(&small.store);
    let id = image(&served, "a:1");
    let big = "x".repeat(4 << 20);
    let archive = tar(&[("big", &big)]);
    let ballast = small.fill(1 << 20);
    let full = send(&served, "/images/create?fromSrc=-&repo=big", &archive).is(500);
    assert!(full.message().contains("No space left on device"), "{}", full.message());
    let context = tar(&[("Dockerfile", "FROM scratch\nCOPY big /\n"), ("big", &big)]);
    let full = send(&served, "/build", &context).is(500);
    assert!(full.message().contains("No space left on device"), "{}", full.message());
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(served.get("/images/a:1/json").is(200).json()["Id"], json!(id));
    drop(served);
    small.is_in_order();
}

/// Compose and buildx pull it if they find no BuildKit, and show its messages.
#[test]
fn whoever_needs_no_builder_is_told_so() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let pull = |image: &str| {
        let path = format!("/images/create?fromImage=127.0.0.1:1/{image}&tag=buildx-stable-1");
        served.ask("POST", &path, None).message()
    };
    let said = pull("moby/buildkit");
    assert!(said.contains("127.0.0.1:1") && said.contains("`rbuild docker-plugin install`"), "{said}");
    assert!(!pull("moby/other").contains("docker-plugin"));
}
