//! Caches that are missing, slow, forbidden or wrong: a warning, but never a failed build or a wrong result.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::bad_network::{Kind, choose, key, misbehave};
use crate::bucket::TestBucket;
use crate::common::{Answer, TestStore};
use crate::registry::TestRegistry;
use crate::shared::{STEPS, machine, sorted};
use crate::web::Reply;

/// The build succeeds with a warning that gives the reason, and its result is right.
#[track_caller]
fn assert_warned(store: &TestStore, answer: Answer, why: &str) {
    let answer = answer.ok();
    let said = answer.stderr();
    assert!(said.contains("warning: ") && said.contains(why), "{why}: {said}");
    let shown = store.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
    assert_eq!(shown, "tool\nsource\n", "{said}");
}

/// A folder with the cache of the default build.
fn folder() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("type=local,dest={},mode=max", folder.path().display());
    machine()?.build(&["--cache-to", &to]).ok();
    Some(folder)
}

fn build_from(store: &TestStore, folder: &Path) -> Answer {
    store.build(&["--cache-from", &format!("type=local,src={}", folder.display()), "-t", "app"])
}

fn blobs(folder: &Path) -> Vec<std::path::PathBuf> {
    let blobs = std::fs::read_dir(folder.join("blobs/sha256")).unwrap();
    sorted(blobs.map(|entry| entry.unwrap().path()).collect())
}

fn is_document(path: &Path) -> bool {
    std::fs::read(path).unwrap().first() == Some(&b'{')
}

#[test]
fn what_is_not_there() {
    let Some(store) = machine() else { return };
    let registry = TestRegistry::start();
    assert_warned(&store, store.build(&["--cache-from", "type=local,src=nowhere", "-t", "app"]), "nowhere");
    let name = registry.name("no/such:cache");
    assert_warned(&store, store.build(&["--cache-from", &name, "-t", "app"]), "there is no cache of that name");
    // Nothing listens there.
    let refused = "127.0.0.1:1/cache:x";
    assert_warned(&store, store.build(&["--cache-from", refused, "-t", "app"]), "cannot reach");
}

#[test]
fn a_registry_that_forbids_or_is_slow() {
    let Some(store) = machine() else { return };
    let registry = TestRegistry::start();
    let name = registry.name("ci/cache:main");
    registry.set_fault(|_, _| Reply::new(403, ""));
    assert_warned(&store, store.build(&["--cache-from", &name, "-t", "app"]), "denied");
    registry.set_fault(|_, mut reply| {
        reply.delay = Duration::from_secs(30);
        reply
    });
    let slow = format!("type=registry,ref={name},timeout=0.5");
    assert_warned(&store, store.build(&["--cache-from", &slow, "-t", "app"]), "took more than 0.5 s");
}

#[test]
fn lists_of_records_that_are_cut_or_changed() {
    let Some(folder) = folder() else { return };
    for path in blobs(folder.path()).into_iter().filter(|path| is_document(path)) {
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for bytes in [&whole[..middle], &changed] {
            std::fs::write(&path, bytes).unwrap();
            let store = machine().unwrap();
            let answer = build_from(&store, folder.path());
            // The damage may be in an older part; then everything works.
            if answer.stderr().contains("warning") {
                assert_warned(&store, answer, "is not used");
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
    let store = machine().unwrap();
    std::fs::write(folder.path().join("index.json"), "{").unwrap();
    assert_warned(&store, build_from(&store, folder.path()), "index.json");
}

#[test]
fn layers_that_are_gone_cut_or_changed_are_made_again() {
    let Some(folder) = folder() else { return };
    let damage: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, &std::fs::read(path).unwrap()[..20]).unwrap(),
        |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            std::fs::write(path, bytes).unwrap();
        },
    ];
    for damage in damage {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(copy.path().join("blobs/sha256")).unwrap();
        std::fs::copy(folder.path().join("index.json"), copy.path().join("index.json")).unwrap();
        for path in blobs(folder.path()) {
            let target = copy.path().join("blobs/sha256").join(path.file_name().unwrap());
            std::fs::copy(&path, &target).unwrap();
            if !is_document(&path) {
                damage(&target);
            }
        }
        let store = machine().unwrap();
        // An output needs the layers at once, and a changed file those below it.
        let from = format!("type=local,src={}", copy.path().display());
        store.write("ctx/more", "");
        let answer = store.build(&["--cache-from", &from, "-t", "app", "-o", "type=docker,dest=app.tar", "--load"]);
        assert_warned(&store, answer, "is executed again");
        assert_eq!(store.build(&["-t", "app"]).ok().executed(), [""; 0]);
    }
}

/// Replaces the records of a cache folder by the result of `change`.
fn rewrite(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let read = |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &str| folder.join("blobs").join(digest.replace(':', "/"));
    let write = |value: &serde_json::Value| {
        let bytes = value.to_string();
        let digest = rbuild::base::digest::BlobDigest::of(bytes.as_bytes()).to_string();
        std::fs::write(blob(&digest), &bytes).unwrap();
        (digest, bytes.len())
    };
    let mut index = read(&folder.join("index.json"));
    let mut manifest = read(&blob(index["manifests"][0]["digest"].as_str().unwrap()));
    let mut list = read(&blob(manifest["config"]["digest"].as_str().unwrap()));
    change(&mut list);
    let (digest, size) = write(&list);
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = write(&manifest);
    index["manifests"][0]["digest"] = digest.into();
    index["manifests"][0]["size"] = size.into();
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn a_list_that_lies_about_layers_is_found_out() {
    // Another tree digest, another diffID, the blob of another layer: all with matching blob digests.
    let lies: [fn(&mut serde_json::Value); 3] = [
        |list| {
            for layer in list["layers"].as_object_mut().unwrap().values_mut() {
                layer["tree"] = "0".repeat(64).into();
            }
        },
        |list| {
            let wrong = format!("sha256:{}", "1".repeat(64));
            let layers = list["layers"].as_object_mut().unwrap();
            let any = layers.values().next().unwrap().clone();
            layers.insert(wrong.clone(), any);
            for record in list["records"].as_object_mut().unwrap().values_mut() {
                record["layer"] = wrong.clone().into();
            }
        },
        |list| {
            let layers = list["layers"].as_object_mut().unwrap();
            let any = layers.values().next().unwrap()["blob"].clone();
            layers.values_mut().for_each(|layer| layer["blob"] = any.clone());
        },
    ];
    for lie in lies {
        let Some(folder) = folder() else { return };
        rewrite(folder.path(), lie);
        let store = machine().unwrap();
        let from = format!("type=local,src={}", folder.path().display());
        let answer = store.build(&["--cache-from", &from, "-t", "app", "-o", "type=docker,dest=app.tar", "--load"]);
        let shown = answer.ok().stderr();
        let result = store.run(&["run", "--rm", "app", "cat", "/app/result"]).ok().stdout();
        assert_eq!(result, "tool\nsource\n", "{shown}");
    }
}

#[test]
fn an_export_that_fails_is_an_error_unless_that_is_ignored() {
    let Some(store) = machine() else { return };
    let registry = TestRegistry::start();
    let to = format!("type=registry,ref={},mode=max", registry.name("ci/cache:main"));
    registry.set_fault(|request, reply| if request.method == "GET" { reply } else { Reply::new(403, "") });
    let failed = store.build(&["--cache-to", &to]).fails(1).stderr();
    assert!(failed.contains("cannot export the cache to"), "{failed}");
    let ignored = store.build(&["--cache-to", &format!("{to},ignore-error=true"), "-t", "app"]);
    assert_warned(&store, ignored, "the cache was not exported");
}

#[test]
fn what_was_sent_is_read_back() {
    let Some(store) = machine() else { return };
    // A registry that accepts everything and loses layers.
    let registry = TestRegistry::start();
    let lossy = registry.clone();
    registry.set_fault(move |request, reply| {
        if request.method == "HEAD" && request.path.contains("/blobs/") && reply.status == 200 {
            return Reply::new(200, "").with("Content-Length", 1);
        }
        reply
    });
    let to = format!("type=registry,ref={},mode=max", lossy.name("ci/cache:main"));
    let said = store.build(&["--cache-to", &to]).fails(1).stderr();
    assert!(said.contains("but the server has 1"), "{said}");
    assert_eq!(sorted(store.build(&[]).ok().cached()), sorted(STEPS.to_vec()));
}

/// Each request may fail and be repeated; in the end the cache is written and read.
#[test]
fn a_cache_is_written_and_read_though_every_fifth_request_fails() {
    let written: Vec<TestRegistry> = std::thread::scope(|scope| {
        let one = |seed: u64| {
            let registry = TestRegistry::start();
            misbehave(&registry, seed);
            let store = TestStore::empty();
            store.write("ctx/source", vec![seed as u8; 100_000]);
            store.write("ctx/Dockerfile", "FROM scratch\nCOPY source /one\nCOPY source /two\n");
            let name = registry.name("ci/cache:main");
            store.build(&["--reproducible", "--cache-to", &format!("type=registry,ref={name},mode=max")]).ok();
            // Once without faults: everything that was written is there.
            registry.set_gate(|_| None);
            let second = TestStore::empty();
            second.write("ctx/source", vec![seed as u8; 100_000]);
            second.write("ctx/Dockerfile", "FROM scratch\nCOPY source /one\nCOPY source /two\n");
            misbehave(&registry, seed + 100);
            let output = ["--reproducible", "--cache-from", &name, "-o", "type=docker,dest=app.tar"];
            let answer = second.build(&output).ok();
            assert_eq!(answer.executed(), [""; 0], "seed {seed}: {}", answer.stderr());
            registry
        };
        let running: Vec<_> = (0..4).map(|seed| scope.spawn(move || one(seed))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let faults: usize = written.iter().map(|registry| registry.requests().len()).sum();
    assert!(faults > 60, "{faults} requests are too few to say anything");
}

#[test]
fn a_bucket_is_written_and_read_though_every_fifth_request_fails() {
    let bucket = TestBucket::start();
    let counts: Mutex<HashMap<String, u64>> = Mutex::default();
    bucket.set_gate(move |request| {
        let key = key(request);
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        match choose(3, &key, *count) {
            Kind::None | Kind::Stall | Kind::HalfSent => None,
            Kind::Reset | Kind::Cut => Some(Reply { reset: true, ..Reply::new(200, "") }),
            Kind::TooMany => Some(Reply::new(429, "")),
            Kind::Broken => Some(Reply::new(500, "")),
        }
    });
    let place = format!(
        "type=s3,bucket=ci,endpoint_url={},access_key_id={},secret_access_key={}",
        bucket.endpoint,
        crate::bucket::KEY_ID,
        crate::bucket::SECRET
    );
    for number in 0..3 {
        let (first, second) = (TestStore::empty(), TestStore::empty());
        for store in [&first, &second] {
            store.write("ctx/source", format!("{number}"));
            store.write("ctx/Dockerfile", "FROM scratch\nCOPY source /one\nCOPY source /two\n");
        }
        first.build(&["--cache-to", &format!("{place},mode=max")]).ok();
        let answer = second.build(&["--cache-from", &place, "-o", "type=docker,dest=app.tar"]).ok();
        assert_eq!(answer.executed(), [""; 0], "{}", answer.stderr());
    }
    assert!(bucket.requests().len() > 40);
}
