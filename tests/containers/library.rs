//! The library in a program with threads, such as the tests' own process.

use std::path::Path;

use rbuild::container::{Containers, Removal, look_at};
use rbuild::engine::container::{CreateRequest, Starting, create, remove};

use crate::common::support::{skip, wait_for};
use crate::common::{TestStore, is_root};

#[test]
fn a_program_with_threads_starts_containers_and_enters_their_files() {
    if !is_root() {
        return skip("a program that is no root's has to enter a user namespace before it has threads");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    rbuild::use_program(Path::new(env!("CARGO_BIN_EXE_rbuild"))).unwrap();
    let root = store.root();
    let script = "echo made > /made; exec sleep 1000";
    let body = serde_json::json!({
        "Image": "busybox", "Cmd": ["sh", "-c", script], "HostConfig": {"NetworkMode": "none"},
    });
    let opened = rbuild::engine::store::open(&root).unwrap();
    let created = create(&opened, CreateRequest::new(body)).unwrap();

    let containers = Containers::of(&root);
    let other = std::thread::spawn(move || {
        let mut starting = Starting::begin(1, &root).unwrap();
        let containers = Containers::of(&root);
        starting.start(&containers, &created.entry).unwrap();
        created.entry.record.id
    });
    let id = other.join().unwrap();
    let entry = containers.find(&id).unwrap();
    let monitor = std::fs::read(format!("/proc/{}/cmdline", entry.state.monitor_pid)).unwrap();
    assert!(monitor.starts_with(b"rbuild-monitor\0"), "{}", String::from_utf8_lossy(&monitor));
    let size = wait_for("the program's file", || {
        look_at(&entry, Path::new("/made")).map_err(|error| error.to_string()).and_then(|stat| match stat.size {
            0 => Err("it is empty yet".to_owned()),
            size => Ok(size),
        })
    });
    assert_eq!(size, 5);
    remove(&containers, &entry, Removal { force: true, ..Removal::default() }).unwrap();
}
