//! Bad networks: every fifth request is lost, stalls, is cut short, or gets an error.

use std::sync::Mutex;
use std::time::Duration;

use rbuild::image::Reference;
use rbuild::store::Store;
use rbuild::transport::registry::{
    Client, Limits, PullOptions, Push, PushOptions, RegistryError, Settings, Silent, pull, push,
};
use rbuild::transport::transfer::Outgoing;

use crate::bad_network::misbehave;
use crate::image::{impatient, put_varied_image, settings};
use crate::registry::TestRegistry;
use crate::web::Reply;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// Pulls `from`, and pushes it as `to`.
fn there_and_back(registry: &TestRegistry, settings: &Settings) -> Result<(), RegistryError> {
    let (_folder, store) = store();
    let client = Client::new(settings)?;
    let from: Reference = registry.name("from:1").parse().unwrap();
    let pulled = pull(&store, &client.repository(&from)?, &from, &PullOptions::default(), &Silent)?;
    let to: Reference = registry.name("to:1").parse().unwrap();
    let pushes = [Push { name: to, image: Outgoing::single(pulled.id) }];
    push(&store, &client, &pushes, &PushOptions::default(), &Silent)?;
    Ok(())
}

#[test]
fn pull_and_push_end_right_though_every_fifth_request_fails() {
    std::thread::scope(|scope| {
        for seed in 0..6 {
            scope.spawn(move || {
                let registry = TestRegistry::start();
                let digest = put_varied_image(&registry, "from", "1");
                // Mounts would leave nothing to send.
                registry.set_gate(|_| None);
                misbehave(&registry, seed);
                there_and_back(&registry, &impatient()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert_eq!(registry.manifest("to", "1"), registry.manifest("from", &digest), "seed {seed}");
                let asked = registry.requests();
                assert!(asked.len() > 20, "seed {seed}: {}", asked.len());
            });
        }
    });
}

#[test]
fn uploads_are_taken_up_where_they_broke() {
    let registry = TestRegistry::start();
    let broken: Mutex<u32> = Mutex::default();
    registry.set_gate(move |request| {
        if request.method == "PATCH" {
            let mut broken = broken.lock().unwrap();
            *broken += 1;
            if *broken == 2 {
                request.body.truncate(20_000);
                request.headers.push(("x-fault".to_owned(), "Reset".to_owned()));
            }
        }
        None
    });
    registry.set_fault(|request, mut reply| {
        reply.reset = request.header("x-fault").is_some();
        reply
    });
    let name: Reference = registry.name("a:1").parse().unwrap();
    let repository = Client::new(&settings()).unwrap().repository(&name).unwrap();
    let bytes: Vec<u8> = (0..200_000u32).map(|number| (number % 251) as u8).collect();
    let digest = repository.upload_bytes(&bytes).unwrap();
    assert!(registry.has_blob("a", &digest.to_string()));
    let patches: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| request.header("content-range").unwrap_or_default().to_owned())
        .collect();
    // 64 KiB, 20,000 bytes of the next chunk and then the rest from there.
    assert_eq!(patches, ["0-65535", "65536-131071", "85536-151071", "151072-199999"]);
}

#[test]
fn downloads_are_taken_up_where_they_broke() {
    let registry = TestRegistry::start();
    let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
    let digest = registry.put_blob("a", &bytes);
    registry.set_fault(|request, mut reply| {
        if request.path.contains("/blobs/") && request.header("range").is_none() {
            reply.cut = Some(60_000);
        }
        reply
    });
    let name: Reference = registry.name("a:1").parse().unwrap();
    let repository = Client::new(&settings()).unwrap().repository(&name).unwrap();
    let got = repository.blob_bytes(&digest.parse().unwrap(), "it", 1 << 20).unwrap();
    assert_eq!(got, bytes);
    let ranges: Vec<String> =
        registry.requests().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=60000-"]);
}

#[test]
fn a_registry_that_takes_no_pieces_gets_the_blob_whole() {
    let registry = TestRegistry::start();
    registry.set_gate(|request| (request.method == "PATCH").then(|| Reply::new(405, "")));
    let name: Reference = registry.name("a:1").parse().unwrap();
    let repository = Client::new(&settings()).unwrap().repository(&name).unwrap();
    let digest = repository.upload_bytes(&vec![7; 200_000]).unwrap();
    assert!(registry.has_blob("a", &digest.to_string()));
}

#[test]
fn after_the_stated_number_of_tries_it_is_given_up() {
    for (settings, fault, expected) in [
        (settings(), Reply::new(503, "later"), "answered 503"),
        (settings(), Reply { reset: true, ..Reply::new(200, "") }, "cannot reach the registry"),
        (impatient(), Reply { delay: Duration::from_secs(600), ..Reply::new(200, "") }, "was silent for"),
    ] {
        let settings = Settings { limits: Limits { tries: 3, ..settings.limits }, ..settings };
        let registry = TestRegistry::start();
        put_varied_image(&registry, "from", "1");
        registry.set_fault(
            move |request, reply| {
                if request.path.contains("/manifests/") { fault.clone() } else { reply }
            },
        );
        let message = there_and_back(&registry, &settings).unwrap_err().to_string();
        assert!(message.contains("gave up after 3 tries") && message.contains(expected), "{message}");
        assert_eq!(registry.count("GET", "/manifests/"), 3);
    }
}

/// A byte now and then is not a stall, but never ends.
#[test]
fn a_server_that_trickles_is_given_up() {
    let limits = Limits { tries: 3, slowest: 10_000, window: Duration::from_millis(150), ..settings().limits };
    let settings = Settings { limits, ..Settings::default() };
    for word in ["/manifests/", "/blobs/"] {
        let registry = TestRegistry::start();
        put_varied_image(&registry, "from", "1");
        let trickle = Some((1, Duration::from_millis(20)));
        registry.set_fault(move |request, reply| match request.path.contains(word) {
            true => Reply { trickle, ..reply },
            false => reply,
        });
        let message = there_and_back(&registry, &settings).unwrap_err().to_string();
        assert!(message.contains("gave up after 3 tries"), "{message}");
        assert!(message.contains("sent fewer than 10000 bytes per second for 0 s (GET http"), "{message}");
    }
}

#[test]
fn a_tag_does_not_move_when_content_is_missing() {
    let registry = TestRegistry::start();
    put_varied_image(&registry, "from", "1");
    registry.set_gate(|request| {
        (request.method != "GET" && request.path.contains("/to/blobs/uploads/")).then(|| Reply::new(403, ""))
    });
    let message = there_and_back(&registry, &settings()).unwrap_err().to_string();
    assert!(message.contains("is denied"), "{message}");
    assert!(registry.tags("to").is_empty());
}
