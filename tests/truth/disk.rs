//! A full disk for each kind of write: an error, nothing left half written, and a working store once there is space.

use std::fs;

use crate::common::small_disk::{Small, says_full};
use crate::common::{Answer, TestStore, busybox_archive, can_run_containers};
use crate::registry::TestRegistry;

/// A small disk, if busybox is available and can run.
fn small() -> Option<Small> {
    can_run_containers().then(|| Small::new(64))?
}

fn load(small: &Small) -> Answer {
    small.store.run(&["load", "-i", &busybox_archive().unwrap().to_string_lossy()])
}

#[test]
fn blobs_layers_and_archives() {
    let Some(small) = small() else { return };
    let store = &small.store;
    load(&small).ok();
    let ballast = small.fill(300 << 10);
    store.write("ctx/big", vec![7; 4 << 20]);
    says_full(&store.build_text("FROM busybox\nCOPY big /big\n", &[]));
    says_full(&store.build_text("FROM busybox\nRUN head -c 4000000 /dev/zero > /z || exit 7; cat /z /z > /y\n", &[]));
    says_full(&store.run(&["save", "-o", &store.root().join("out.tar").to_string_lossy(), "busybox"]));
    assert!(!store.root().join("out.tar").exists(), "half an archive");
    store.run(&["rmi", "-f", "busybox"]).ok();
    fs::remove_file(&ballast).unwrap();
    let ballast = small.fill(300 << 10);
    says_full(&load(&small));
    fs::remove_file(ballast).unwrap();
    small.is_in_order();
    load(&small).ok();
    store.build_text("FROM busybox\nCOPY big /big\nRUN ls /big\n", &[]).ok();
    small.is_in_order();
}

#[test]
fn the_database_and_what_is_noted_beside_it() {
    let Some(small) = small() else { return };
    let store = &small.store;
    load(&small).ok();
    for left in [0, 4 << 10, 16 << 10, 64 << 10] {
        let ballast = small.fill(left);
        let tag = store.run(&["tag", "busybox", "other:1"]);
        if tag.code() != Some(0) {
            says_full(&tag);
        }
        store.write("ctx/f", format!("{left}"));
        let build = store.build_text("FROM busybox\nCOPY f /f\nRUN echo 1 > /1\n", &["-t", "noted"]);
        if build.code() != Some(0) {
            says_full(&build);
        }
        fs::remove_file(ballast).unwrap();
        small.is_in_order();
        store.run(&["tag", "busybox", "other:2"]).ok();
        store.build(&["-t", "noted"]).ok();
        let said = store.run(&["run", "--rm", "--network", "none", "noted", "cat", "/f"]).ok().stdout();
        assert_eq!(said, format!("{left}"));
    }
    small.resize(128 << 10);
    small.is_in_order();
}

/// Network transfers: no partial blob stays, and the next try starts where it can.
#[test]
fn pulls_and_pushes() {
    let Some(small) = small() else { return };
    let (store, registry) = (&small.store, TestRegistry::start());
    let other = TestStore::loaded().unwrap();
    let mut dice = crate::stale::Dice::new(77);
    // Incompressible.
    other.write("ctx/big", (0..6 << 20).map(|_| dice.below(256) as u8).collect::<Vec<_>>());
    let name = registry.name("big:1");
    other.build_text("FROM busybox\nCOPY big /big\n", &["-t", &name]).ok();
    other.run(&["push", &name]).ok();
    let ballast = small.fill(2 << 20);
    says_full(&store.run(&["pull", &name]));
    assert_eq!(store.run(&["images", "-q"]).ok().stdout(), "");
    fs::remove_file(ballast).unwrap();
    small.is_in_order();
    store.run(&["pull", &name]).ok();
    // Space for the blobs, but not for the files in them.
    let ballast = small.fill(1 << 20);
    says_full(&store.run(&["run", "--rm", "--network", "none", &name, "true"]));
    fs::remove_file(ballast).unwrap();
    store.run(&["run", "--rm", "--network", "none", &name, "ls", "/big"]).ok();
    store.build_text(&format!("FROM {name}\nRUN cat /big /big > /more\n"), &["-t", &registry.name("more:1")]).ok();
    let ballast = small.fill(1 << 20);
    says_full(&store.run(&["push", &registry.name("more:1")]));
    fs::remove_file(ballast).unwrap();
    small.is_in_order();
    store.run(&["push", &registry.name("more:1")]).ok();
}

/// Writes of containers and steps: the program gets an error, and what is kept is complete.
#[test]
fn containers_volumes_and_cache_mounts() {
    let Some(small) = small() else { return };
    let store = &small.store;
    load(&small).ok();
    let box_of = |name: &str| {
        vec!["run", "--name", name, "--network", "none", "-v", "data:/data", "busybox", "sh", "-c"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |name: &str, script: &str| {
        let mut words = box_of(name);
        words.push(script.to_owned());
        store.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run("first", "head -c 3000000 /dev/zero > /z; echo kept > /data/kept").ok();
    let ballast = small.fill(1 << 20);
    says_full(&store.run(&["commit", "first", "committed"]));
    let volume = run("second", "head -c 3000000 /dev/zero > /data/more || exit 9");
    assert!(
        volume.code() == Some(9) || volume.stderr().contains("No space left"),
        "{:?} {}",
        volume.code(),
        volume.stderr()
    );
    let cached = "FROM busybox\nRUN --mount=type=cache,target=/c head -c 3000000 /dev/zero > /c/z\n";
    store.build_text(cached, &[]).fails(1);
    says_full(&store.run(&["export", "-o", &store.root().join("out.tar").to_string_lossy(), "first"]));
    assert!(!store.root().join("out.tar").exists());
    fs::remove_file(ballast).unwrap();
    for left in [0, 8 << 10] {
        let ballast = small.fill(left);
        // Whether there is space for it or not: errors are reported, and nothing half finished is left.
        for words in [&["volume", "create", "new"] as &[&str], &["create", "--name", "third", "busybox", "true"]] {
            let said = store.run(words);
            if said.code() != Some(0) {
                says_full(&said);
            }
        }
        fs::remove_file(ballast).unwrap();
        store.run(&["rm", "-f", "third"]).ok();
        store.run(&["volume", "rm", "-f", "new"]).ok();
        small.is_in_order();
    }
    store.run(&["commit", "first", "committed"]).ok();
    store.run(&["run", "--rm", "--network", "none", "committed", "ls", "/z"]).ok();
    let kept = store.run(&["run", "--rm", "--network", "none", "-v", "data:/d", "busybox", "cat", "/d/kept"]).ok();
    assert_eq!(kept.stdout(), "kept\n");
    store.build(&[]).ok();
    small.is_in_order();
}
