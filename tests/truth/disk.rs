//! A disk that is full, at each kind of write: the error says so, nothing is left half written, and the store works again
//! once there is room.

use std::fs;

use crate::common::{Answer, TestStore, busybox_archive};
use crate::small_disk::{Small, says_full};

/// A small disk, where busybox can be had and run.
fn small() -> Option<Small> {
    TestStore::with_busybox()?;
    Small::new(64)
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
