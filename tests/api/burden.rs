//! Many clients at once, and a full disk.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::Served;
use crate::common::small_disk::Small;
use crate::common::support::http;
use crate::common::{TestStore, busybox_archive};
use crate::containers::create;
use crate::images::{messages, send, tar};

const CLIENTS: usize = 200;

#[test]
fn two_hundred_clients_are_answered_at_once() {
    let Some(store) = TestStore::loaded() else { return };
    let served = Served::of(&store);
    let id = create(&served, json!({"HostConfig": {"NetworkMode": "none"}}));
    // Half of them stay, with a silent stream.
    let streams: Vec<http::Open> =
        (0..CLIENTS / 2).map(|_| http::open(&served.socket, "GET", "/events", &[], b"")).collect();
    assert!(streams.iter().all(|stream| stream.status == 200));
    let path = format!("/containers/{id}/json");
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                assert_eq!(served.get(&path).is(200).json()["Id"], id);
            });
        }
    });
    // Clients that connect without sending a complete request block nobody.
    let half: Vec<UnixStream> = (0..CLIENTS)
        .map(|_| {
            let mut stream = UnixStream::connect(&served.socket).unwrap();
            stream.write_all(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{").unwrap();
            stream
        })
        .collect();
    served.get("/_ping").is(200);
    // Each of them is told that a container is gone.
    served.ask("DELETE", &format!("/containers/{id}"), None).is(204);
    for mut stream in streams {
        let event: serde_json::Value = serde_json::from_slice(&stream.chunk()).unwrap();
        assert_eq!((event["status"].as_str(), event["id"].as_str()), (Some("destroy"), Some(id.as_str())));
        assert_eq!(
            (&event["Action"], &event["Actor"]["ID"], &event["from"]),
            (&event["status"], &event["id"], &json!("busybox"))
        );
    }
    drop(half);
    served.get("/_ping").is(200);
}

#[test]
fn one_who_does_not_read_holds_nobody_up() {
    let Some(store) = TestStore::with_busybox() else { return };
    let served = Served::of(&store);
    let id = create(
        &served,
        json!({"Cmd": ["sh", "-c", "yes | head -c 8000000; sleep 1000"],
        "HostConfig": {"NetworkMode": "none"}}),
    );
    served.ask("POST", &format!("/containers/{id}/start"), None).is(204);
    let path = format!("/containers/{id}/logs?stdout=1&follow=1");
    let slow: Vec<http::Open> = (0..8).map(|_| http::open(&served.socket, "GET", &path, &[], b"")).collect();
    let mut quick = http::open(&served.socket, "GET", &path, &[], b"");
    let mut length = 0;
    while length < 8_000_000 {
        length += quick.chunk().len() - 8;
    }
    served.get("/info").is(200);
    served.ask("DELETE", &format!("/containers/{id}?force=1"), None).is(204);
    drop(slow);
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_half_written() {
    let Some(small) = Small::new(64) else { return };
    let Some(archive) = busybox_archive() else { return };
    let archive = std::fs::read(archive).unwrap();
    let served = Served::of(&small.store);
    send(&served, "/images/load", &archive).is(200);
    let says_full = |text: String| {
        let text = text.to_lowercase();
        let is_said = ["no space left", "disk is full", "disk i/o"].iter().any(|words| text.contains(words));
        assert!(is_said, "{text}");
    };
    let before = served.get("/images/json").is(200).json();
    let ballast = small.fill(200 << 10);
    // A missing image, a build's context, a layer that a step writes, and a volume's file.
    let big = "x".repeat(2 << 20);
    let context = tar(&[("Dockerfile", "FROM busybox\nCOPY big /\n"), ("big", &big)]);
    let refused = send(&served, "/build?t=big", &context);
    assert!(refused.status >= 500, "{}", refused.status);
    says_full(refused.message());
    let import = http::open(&served.socket, "POST", "/images/create?fromSrc=-&repo=imported", &[], &context);
    says_full(import.whole(false).text());
    if crate::common::can_run_containers() {
        let steps = tar(&[("Dockerfile", "FROM busybox\nRUN head -c 4000000 /dev/urandom > /big\n")]);
        let told = send(&served, "/build?t=stepped&networkmode=none", &steps);
        says_full(told.text());
    }
    assert_eq!(served.get("/images/json").is(200).json(), before);
    std::fs::remove_file(ballast).unwrap();
    small.is_in_order();
    // With free space again, everything works that was refused.
    let told = messages(&send(&served, "/build?t=big", &context).is(200));
    assert!(told.iter().any(|message| message["aux"]["ID"].is_string()), "{told:?}");
    served.get("/images/big/json").is(200);
    small.is_in_order();
    let saved = served.get("/images/big/get").is(200).body;
    served.ask("DELETE", "/images/big", None).is(200);
    served.post("/build/prune?all=1", serde_json::Value::Null).is(200);
    let ballast = small.fill(200 << 10);
    says_full(send(&served, "/images/load", &saved).text());
    served.get("/images/big/json").is(404);
    std::fs::remove_file(ballast).unwrap();
    small.is_in_order();
    send(&served, "/images/load", &saved).is(200);
    served.get("/images/big/json").is(200);
    small.is_in_order();
}

#[test]
fn a_body_that_never_ends_is_bounded() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let mut stream = UnixStream::connect(&served.socket).unwrap();
    let head = "POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let chunk = [b"10000\r\n".as_slice(), &vec![b'['; 0x10000], b"\r\n"].concat();
        // Until it is stopped.
        while stream.write_all(&chunk).is_ok() {}
    });
    let mut answer = [0; 32];
    reader.read_exact(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    let _ = std::io::copy(&mut reader, &mut std::io::sink());
    drop(reader);
    writer.join().unwrap();
    served.get("/_ping").is(200);
}
