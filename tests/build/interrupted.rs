//! Builds that are stopped or killed in the middle.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::common::{Answer, TestStore, none, wait_for};

/// Announces its start through a file in a cache that the test can see, and then sleeps for very long.
const SLEEPS: &str = "\
FROM busybox
RUN echo before > /before
RUN echo begun && sleep 98765
";

/// A build in the middle of its last RUN.
fn sleeping(store: &TestStore) -> Child {
    building(store, &[], " begun\n")
}

/// A build that has printed a line with that ending.
fn building(store: &TestStore, options: &[&str], said_last: &str) -> Child {
    use std::io::{BufRead as _, BufReader};
    store.write("ctx/Dockerfile", SLEEPS);
    let mut command = store.command(&[&["build", "--progress", "plain", "ctx"], options].concat());
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.ends_with(said_last) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the build ended before it said `{said_last}`");
    }
    // Nobody reads the rest; it is discarded instead of breaking the pipe.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    child
}

fn send(child: &Child, signal: Signal) {
    let process = Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

/// The processes, other than the test's own, whose command line or mounts refer to the store or to the long sleep.
fn left_behind(store: &TestStore) -> Vec<String> {
    let root = store.root().display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if entry.file_name() == std::process::id().to_string().as_str() {
            continue;
        }
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let mounts = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        let is_sync = arguments.contains(rbuild::store::SYNC_COMMAND);
        if arguments.contains(&root) && !is_sync || arguments.contains("sleep 98765") && mounts.contains(&root) {
            found.push(arguments);
        }
    }
    found
}

fn is_mounted_below(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.contains(&path.display().to_string())
}

/// A process that was ended may take a moment to disappear.
fn wait_until_nothing_is_left(store: &TestStore) {
    wait_for("nothing is left behind", || none(&left_behind(store)));
    assert!(!is_mounted_below(&store.root()));
}

/// Without the sleep, the step before is cached and the build succeeds.
fn build_again(store: &TestStore) -> Answer {
    let answer = store.build_text(&SLEEPS.replace("sleep 98765", "true"), &[]).ok();
    assert_eq!(answer.cached(), ["RUN echo before > /before"]);
    answer
}

fn staging_folders(store: &TestStore) -> usize {
    std::fs::read_dir(store.root().join("tmp")).unwrap().count()
}

#[test]
fn a_build_says_that_it_waits_for_another_and_can_be_ended() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut first = sleeping(&store);
    let waits = "waiting for another build that executes [3/3] RUN echo begun && sleep 98765\n";
    let mut second = building(&store, &[], waits);
    send(&second, Signal::INT);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    assert!(first.try_wait().unwrap().is_none(), "the other one goes on");
    // It needs nothing of the other's result, and so does not wait for it.
    let mut third = building(&store, &["--no-cache"], " begun\n");
    for child in [&mut third, &mut first] {
        send(child, Signal::INT);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    wait_until_nothing_is_left(&store);
}

#[test]
fn an_interrupt_ends_what_runs_and_leaves_the_store_as_before() {
    for signal in [Signal::INT, Signal::TERM] {
        let Some(store) = TestStore::with_busybox() else { return };
        let mut child = sleeping(&store);
        let layers = std::fs::read_dir(store.root().join("layers")).unwrap().count();
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        wait_until_nothing_is_left(&store);
        assert_eq!(std::fs::read_dir(store.root().join("layers")).unwrap().count(), layers);
        assert_eq!(staging_folders(&store), 0);
        build_again(&store);
    }
}

#[test]
fn a_killed_build_leaves_no_process_and_a_store_that_works() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut child = sleeping(&store);
    send(&child, Signal::KILL);
    child.wait().unwrap();
    wait_until_nothing_is_left(&store);
    build_again(&store);
    assert_eq!(staging_folders(&store), 0, "what the killed build was writing is still there");
}

#[test]
fn a_build_killed_while_it_copies_leaves_nothing_half_made() {
    let Some(store) = TestStore::with_busybox() else { return };
    for number in 0..3000 {
        store.write(&format!("ctx/many/{number}"), format!("content {number}"));
    }
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY many /many\nRUN ls /many | wc -l\n");
    for wait in [10, 60, 120, 200] {
        let mut child = store.command(&["build", "-q", "ctx"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // It may have ended by itself already, which is fine.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let answer = store.build(&["--no-cache"]).ok();
    assert!(answer.stderr().lines().any(|line| line.ends_with(" 3000")), "{}", answer.stderr());
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}
