//! Several rbuild processes on one store.

use std::process::{Child, Stdio};

use crate::common::{Answer, TestStore};

fn start(store: &TestStore, arguments: &[&str]) -> Child {
    let mut all = vec!["build", "--progress", "plain"];
    all.extend_from_slice(arguments);
    all.push("ctx");
    store.command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Answer {
    Answer::from(child.wait_with_output().unwrap()).ok()
}

#[test]
fn two_builds_of_the_same_execute_each_step_once() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN --mount=type=cache,target=/count echo ran >> /count/log; sleep 2
RUN --mount=type=cache,target=/count cp /count/log /log
";
    store.write("ctx/Dockerfile", dockerfile);
    let children = [start(&store, &[]), start(&store, &[])];
    let answers = children.map(end);
    let executed: usize = answers.iter().map(|answer| answer.executed().len()).sum();
    assert_eq!(executed, 2, "{}\n{}", answers[0].stderr(), answers[1].stderr());
    let folder = store.root_filesystem(&[]);
    assert_eq!(std::fs::read_to_string(folder.join("log")).unwrap(), "ran\n");
}

#[test]
fn different_builds_do_not_disturb_each_other() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nARG N\nRUN echo $N > /n\nCOPY Dockerfile /d\nRUN cat /n\n");
    let numbers = ["0", "1", "2", "3", "4", "5"];
    let children = numbers.map(|number| {
        let (argument, tag) = (format!("N={number}"), format!("app:{number}"));
        start(&store, &["--build-arg", &argument, "-t", &tag])
    });
    for (number, child) in numbers.iter().zip(children) {
        let answer = end(child);
        assert!(answer.stderr().lines().any(|line| line.ends_with(&format!(" {number}"))), "{}", answer.stderr());
    }
    assert_eq!(store.run(&["images", "-q", "app"]).ok().stdout().lines().count(), numbers.len());
}

/// The second one waits for the first one's lock, which the kernel releases when its holder dies.
#[test]
fn whoever_waits_for_a_build_that_is_killed_goes_on() {
    let Some(store) = TestStore::with_busybox() else { return };
    // Only the first one finds no file, and sleeps.
    let dockerfile = "\
FROM busybox
RUN --mount=type=cache,target=/seen if [ ! -e /seen/one ]; then touch /seen/one; echo first; sleep 98764; fi
";
    store.write("ctx/Dockerfile", dockerfile);
    let mut first = start(&store, &[]);
    let said = first.stderr.take().unwrap();
    wait_for(said, " first\n");
    let second = start(&store, &[]);
    first.kill().unwrap();
    first.wait().unwrap();
    end(second);
}

fn wait_for(said: impl std::io::Read, end: &str) {
    use std::io::BufRead as _;
    let mut said = std::io::BufReader::new(said);
    let mut line = String::new();
    while !line.ends_with(end) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the build ended too early");
    }
}
