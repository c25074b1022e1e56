//! The default filter, tested from inside. `sandbox::seccomp::comparison` compares it with docker's.

use super::common::{TestStore, skip};
use super::probe;

const EPERM: &str = "errno 1";
const ENOSYS: &str = "errno 38";

/// Socket families, as arguments of the probe.
const ALG: &str = "38";
const VSOCK: &str = "40";

#[test]
fn sockets_of_the_kernels_cryptography_and_of_the_machine_around_are_refused() {
    let (Some(store), Some(_)) = (TestStore::with_busybox(), probe::folder()) else { return };
    check_sockets(&store);
}

#[test]
fn to_containers_of_an_ordinary_user_as_well() {
    let (Some(store), Some(_)) = (TestStore::of_user(), probe::folder()) else { return };
    check_sockets(&store);
}

fn check_sockets(store: &TestStore) {
    for family in [ALG, VSOCK] {
        let refused = probe::inside(store, &["--network", "none"], &["socket", family]);
        assert_eq!(refused, EPERM, "family {family}");
        // The kernel's own answer, whatever it is.
        let open =
            probe::inside(store, &["--network", "none", "--security-opt", "seccomp=unconfined"], &["socket", family]);
        assert_ne!(open, EPERM, "family {family}");
        let capable = probe::inside(store, &["--network", "none", "--cap-add", "ALL"], &["socket", family]);
        assert_eq!(capable, EPERM, "capabilities don't open it: family {family}");
    }
}

#[test]
fn the_same_in_a_build() {
    let (Some(store), Some(folder)) = (TestStore::with_busybox(), probe::folder()) else { return };
    std::fs::create_dir_all(store.work().join("ctx")).expect("a folder can be made");
    std::fs::copy(folder.join("probe"), store.work().join("ctx/probe")).expect("the probe can be copied");
    let text =
        "FROM busybox\nCOPY probe /probe\nRUN for f in 38 40; do echo \"family $f: $(/probe socket $f)\"; done\n";
    let said = store.build_text(text, &["--network", "none"]).ok().stderr();
    assert!(said.contains("family 38: errno 1") && said.contains("family 40: errno 1"), "{said}");
}

/// i386's `socket` is refused as well; the arguments of its `socketcall` are in memory, where no filter can read them.
#[test]
#[cfg(target_arch = "x86_64")]
fn programs_of_32_bits_and_of_x32_are_refused_them_too() {
    let (Some(store), Some(_)) = (TestStore::with_busybox(), probe::folder()) else { return };
    const SOCKET_OF_I386: &str = "359";
    const SOCKET_OF_X32: &str = "0x40000029";
    let none = ["--network", "none"];
    assert_eq!(probe::inside(&store, &none, &["call", SOCKET_OF_X32, ALG, "5"]), EPERM);
    if probe::here(&["call32", SOCKET_OF_I386, "1", "1"]).as_deref() != Some("done") {
        skip("the kernel runs no 32-bit programs");
        return;
    }
    assert_eq!(probe::inside(&store, &none, &["call32", SOCKET_OF_I386, ALG, "5"]), EPERM);
    assert_eq!(probe::inside(&store, &none, &["call32", SOCKET_OF_I386, "1", "1"]), "done");
}

/// A refused call is EPERM; one that was unknown when the profile was written is ENOSYS, as in docker's runtime.
#[test]
fn refused_calls_and_unknown_ones() {
    let (Some(store), Some(_)) = (TestStore::with_busybox(), probe::folder()) else { return };
    let none = ["--network", "none"];
    const LSM_LIST_MODULES: &str = "461";
    const CLONE3: &str = "435";
    const OPEN_TREE: &str = "428";
    assert_eq!(probe::inside(&store, &none, &["call", LSM_LIST_MODULES]), EPERM);
    assert_eq!(probe::inside(&store, &none, &["call", OPEN_TREE]), EPERM);
    assert_eq!(probe::inside(&store, &none, &["call", CLONE3]), ENOSYS);
    assert_eq!(probe::inside(&store, &none, &["call", "1234"]), ENOSYS);
    let capable = ["--network", "none", "--cap-add", "SYS_ADMIN"];
    assert_ne!(probe::inside(&store, &capable, &["call", LSM_LIST_MODULES]), EPERM);
}
