//! Abstract sockets on the host's network: a container that shares it only reaches its own.

use std::process::{Child, Command, Stdio};

use super::common::{TestStore, skip, wait_until};
use super::probe;

const DONE: &str = "done";
const EPERM: &str = "errno 1";

/// Whether the kernel scopes abstract sockets; skips with a reason.
fn can_scope() -> bool {
    const CREATE_RULESET_VERSION: libc::c_ulong = 1;
    // SAFETY: with this flag and a null pointer the call reads nothing.
    let version = unsafe {
        let null = std::ptr::null::<u8>();
        libc::syscall(libc::SYS_landlock_create_ruleset, null, 0usize, CREATE_RULESET_VERSION)
    };
    if version < 6 {
        skip(&format!("Landlock of this kernel has version {version}, and abstract sockets are scoped from 6 on"));
    }
    version >= 6
}

/// Listens on the host, until it is dropped.
struct Listener {
    child: Child,
    name: String,
}

impl Listener {
    fn start(test: &str) -> Self {
        let name = format!("rbuild-test-{test}-{}", std::process::id());
        let program = probe::folder().expect("it was asked for before").join("probe");
        let child = Command::new(program).args(["listen", &name]).stdout(Stdio::null()).spawn();
        let listener = Self { child: child.expect("the probe can be started"), name };
        wait_until("the host listens", || probe::here(&["connect", &listener.name]).as_deref() == Some(DONE));
        listener
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn check(store: &TestStore, test: &str) {
    let listener = Listener::start(test);
    let connect = ["connect", listener.name.as_str()];
    assert_eq!(probe::inside(store, &["--network", "host"], &connect), EPERM);
    assert_eq!(probe::inside(store, &["--network", "host", "--user", "7"], &connect), EPERM);
    let nothing_new = ["--network", "host", "--security-opt", "no-new-privileges"];
    assert_eq!(probe::inside(store, &nothing_new, &connect), EPERM);
    assert_eq!(probe::inside(store, &["--network", "host", "--cap-add", "ALL"], &connect), EPERM);
    // With the option, and with all rights.
    assert_eq!(probe::inside(store, &["--network", "host", "--security-opt", "landlock=unconfined"], &connect), DONE);
    assert_eq!(probe::inside(store, &["--network", "host", "--privileged"], &connect), DONE);
    // Its own network has no such name.
    assert_eq!(probe::inside(store, &["--network", "none"], &connect), "errno 111");
}

#[test]
fn a_container_on_the_hosts_network_does_not_reach_its_abstract_sockets() {
    let (Some(store), Some(_), true) = (TestStore::with_busybox(), probe::folder(), can_scope()) else { return };
    check(&store, "root");
}

#[test]
fn nor_does_one_of_an_ordinary_user() {
    let (Some(store), Some(_), true) = (TestStore::of_user(), probe::folder(), can_scope()) else { return };
    check(&store, "user");
}

/// Starts a container that listens on an abstract socket, on the host's network.
fn start_listening(store: &TestStore, name: &str, options: &[&str]) {
    let volume = format!("{}:/probe:ro", probe::folder().expect("it was asked for before").display());
    let mut all = vec!["run", "-d", "--name", name, "--network", "host", "-v", &volume];
    all.extend_from_slice(options);
    all.extend_from_slice(&["busybox", "sh", "-c", "/probe/probe listen own-$0 & sleep 1000", name]);
    store.run(&all).ok();
}

#[test]
fn processes_of_one_container_reach_each_other() {
    let (Some(store), Some(_), true) = (TestStore::with_busybox(), probe::folder(), can_scope()) else { return };
    let said = {
        let volume = format!("{}:/probe:ro", probe::folder().expect("it is there").display());
        let script =
            "/probe/probe listen of-one > /dev/null & until /probe/probe connect of-one | grep done; do :; done";
        store.run(&["run", "--rm", "--network", "host", "-v", &volume, "busybox", "sh", "-c", script]).ok().stdout()
    };
    assert_eq!(said.trim(), DONE);
}

#[test]
fn neither_exec_nor_a_container_that_joins_another_reaches_the_host() {
    let (Some(store), Some(_), true) = (TestStore::with_busybox(), probe::folder(), can_scope()) else { return };
    let listener = Listener::start("exec");
    start_listening(&store, "main", &[]);
    let exec = |options: &[&str], name: &str| {
        let mut all = vec!["exec"];
        all.extend_from_slice(options);
        all.extend_from_slice(&["main", "/probe/probe", "connect", name]);
        store.run(&all).ok().stdout().trim().to_owned()
    };
    assert_eq!(exec(&[], &listener.name), EPERM);
    assert_eq!(exec(&["--user", "7"], &listener.name), EPERM);
    assert_eq!(exec(&["--privileged"], &listener.name), DONE);
    // For the kernel, a program that `exec` starts is in another domain: documented in docs/isolation.md.
    assert_eq!(exec(&[], "own-main"), EPERM);
    let joined = probe::inside(&store, &["--network", "container:main"], &["connect", &listener.name]);
    assert_eq!(joined, EPERM);
    store.run(&["rm", "-f", "main"]).ok();
}

#[test]
fn steps_on_the_hosts_network_do_not_either() {
    let (Some(store), Some(folder), true) = (TestStore::with_busybox(), probe::folder(), can_scope()) else { return };
    let listener = Listener::start("build");
    std::fs::create_dir_all(store.work().join("ctx")).expect("a folder can be made");
    std::fs::copy(folder.join("probe"), store.work().join("ctx/probe")).expect("the probe can be copied");
    let text = |flag: &str| {
        format!("FROM busybox\nCOPY probe /probe\nRUN {flag} echo \"it said: $(/probe connect {})\"\n", listener.name)
    };
    let said = store.build_text(&text(""), &["--network", "host", "--no-cache"]).ok().stderr();
    assert!(said.contains("it said: errno 1"), "{said}");
    let insecure = ["--network", "host", "--no-cache", "--allow", "security.insecure"];
    let said = store.build_text(&text("--security=insecure"), &insecure).ok().stderr();
    assert!(said.contains("it said: done"), "{said}");
}

/// It restricts nothing else: a program gains root by its setuid bit.
#[test]
fn setuid_programs_go_on_working() {
    let (Some(store), Some(folder), true) = (TestStore::with_busybox(), probe::folder(), can_scope()) else { return };
    std::fs::create_dir_all(store.work().join("ctx")).expect("a folder can be made");
    std::fs::copy(folder.join("probe"), store.work().join("ctx/probe")).expect("the probe can be copied");
    let text = "FROM busybox\nCOPY --chmod=4755 probe /probe\nUSER 7\n";
    store.build_text(text, &["-t", "setuid"]).ok();
    let said = store.run(&["run", "--rm", "--network", "host", "setuid", "/probe", "user"]).ok().stdout();
    assert_eq!(said.trim(), "0");
}
