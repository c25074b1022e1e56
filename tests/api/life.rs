//! Start and end of the service.

use std::os::unix::fs::PermissionsExt as _;

use crate::Served;
use crate::common::{TestStore, wait_until};
use crate::is_listening;

#[test]
fn it_ends_when_nobody_has_been_there_for_long_enough() {
    let store = TestStore::empty();
    let mut served = Served::with(&store, &["--time", "1"], "idle.sock");
    served.get("/_ping").is(200);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert!(!served.socket.exists(), "its socket goes with it");
}

#[test]
fn whoever_is_connected_keeps_it() {
    let store = TestStore::empty();
    let mut served = Served::with(&store, &["--time", "1"], "kept.sock");
    let connection = std::os::unix::net::UnixStream::connect(&served.socket).unwrap();
    // Longer than it would live by itself.
    let begun = std::time::Instant::now();
    wait_until("the time has passed", || begun.elapsed() > std::time::Duration::from_millis(1500));
    assert!(served.child.try_wait().unwrap().is_none());
    drop(connection);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn its_socket_is_its_owners() {
    let store = TestStore::empty();
    let served = Served::of(&store);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&served.socket), 0o600);
    let address = format!("unix://{}", served.socket.display());
    let second = store.run(&["system", "service", &address]).fails(1);
    assert!(second.stderr().contains("another process already listens"), "{}", second.stderr());
    let grouped = Served::with(&store, &["--group", &rustix::process::getegid().as_raw().to_string()], "group.sock");
    assert_eq!(mode(&grouped.socket), 0o660);
    store.run(&["system", "service", "--group", "no-such-group", "unix:///tmp/x"]).fails(1);
}

#[test]
fn what_was_killed_leaves_nothing_in_the_way() {
    let store = TestStore::empty();
    let mut first = Served::of(&store);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(first.socket.exists() && !is_listening(&first.socket));
    Served::of(&store).get("/_ping").is(200);
}

#[test]
fn other_addresses_are_refused() {
    let store = TestStore::empty();
    for address in ["fd://", "http://x", "/tmp/x"] {
        store.run(&["system", "service", address]).fails(1);
    }
}
