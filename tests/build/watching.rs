//! `build --watch`: builds again when something changes that was read.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{TestStore, wait_until};

/// The output lines, each as soon as it is printed.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

#[track_caller]
fn until(lines: &Receiver<String>, wanted: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let line = lines.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| panic!("no {wanted}: {seen:#?}"));
        seen.push(line);
        if seen.last().is_some_and(|line| line.contains(wanted)) {
            return seen;
        }
    }
}

#[test]
fn a_change_of_what_was_read_builds_again_and_restarts_the_container() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY word /\nCMD cat /word; echo; exec sleep 1000\n");
    store.write("ctx/word", "first");
    store.write("ctx/unrelated", "1");
    let mut command = store.command(&["build", "--watch", "--run", "--init -e 'A=b c'", "--progress", "plain", "ctx"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    until(&out, "first");
    until(&said, "waiting for changes");
    // A file that no instruction uses triggers nothing: the next build is caused by `word`.
    store.write("ctx/unrelated", "2");
    store.write("ctx/word", "second");
    until(&out, "second");
    let between = until(&said, "waiting for changes");
    let builds = between.iter().filter(|line| line.contains("[2/2] COPY word /")).count();
    assert!(builds >= 1, "{between:#?}");
    // An error in the Dockerfile is reported, and its fix is waited for.
    store.write("ctx/Dockerfile", "FROM busybox\nCOPYY word /\n");
    until(&said, "COPYY");
    until(&said, "waiting for changes");
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY word /\nCMD echo third; exec sleep 1000\n");
    until(&out, "third");
    until(&said, "waiting for changes");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("no container is left", || store.run(&["ps", "-aq"]).ok().stdout().is_empty());
}

#[test]
fn a_container_is_run_by_the_command_behind_two_dashes() {
    let Some(store) = TestStore::with_busybox() else { return };
    // A shell as the first process would ignore the signal to end.
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY word /\nENTRYPOINT [\"sh\", \"-c\"]\n");
    store.write("ctx/word", "first");
    let options = "-e 'A=b c' -- 'cat /word; echo \" $A\"; sleep 1000; true'";
    let mut command = store.command(&["build", "--watch", "--run", options, "--progress", "plain", "ctx"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    until(&out, "first b c");
    until(&said, "waiting for changes");
    store.write("ctx/word", "second");
    until(&out, "second b c");
    until(&said, "waiting for changes");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("no container is left", || store.run(&["ps", "-aq"]).ok().stdout().is_empty());
}

#[test]
fn what_cannot_change_is_not_watched() {
    let Some(store) = TestStore::loaded() else { return };
    let answer = store.run_with_input(&["build", "--watch", "-"], b"FROM busybox\n").fails(1);
    assert!(answer.stderr().contains("--watch needs a folder"), "{}", answer.stderr());
    store.write("ctx/Dockerfile", "FROM busybox\n");
    assert!(store.build(&["--run", "x"]).code() != Some(0), "--run is for --watch");
    assert!(store.build(&["--watch", "--run", "'x"]).fails(1).stderr().contains("quote"));
}
