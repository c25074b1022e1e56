//! Steps that are isolated by chroot alone, and try to get out or to stay.

use super::common::{TestStore, is_root, skip, wait_until};

/// Builds a step by chroot; gives what it printed.
fn build(store: &TestStore, run: &str) -> String {
    store.write("Dockerfile", format!("FROM busybox\nRUN {run}\n"));
    let words = ["build", "--no-cache", "--progress", "plain", "--isolation", "chroot", "-t", "x", "."];
    let answer = store.run(&words).ok();
    format!("{}{}", answer.stdout(), answer.stderr())
}

fn store() -> Option<TestStore> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    TestStore::with_busybox()
}

/// Whether a process runs that has that word among its arguments.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

#[test]
fn nobody_outside_is_signalled() {
    let Some(store) = store() else { return };
    let mut witness = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    // It may well kill its own step.
    store.write("Dockerfile", "FROM busybox\nRUN kill -9 -1; true\n");
    store.run(&["build", "--no-cache", "-q", "--isolation", "chroot", "."]);
    assert!(witness.try_wait().unwrap().is_none(), "somebody else was killed");
    build(&store, &format!("kill -9 {} || echo refused >/f", witness.id()));
    assert!(witness.try_wait().unwrap().is_none(), "somebody else was killed");
    witness.kill().unwrap();
    witness.wait().unwrap();
}

#[test]
fn nothing_stays_behind() {
    let Some(store) = store() else { return };
    let word = format!("98{}", std::process::id());
    build(
        &store,
        &format!("(sleep {word} &); setsid sleep {word} & setsid sh -c 'sleep {word} & sleep {word}' & true"),
    );
    assert!(!is_running(&word), "a daemon runs on");
    // What it would have written later is in no layer.
    build(&store, "(while true; do date >/late; done &) ; sleep 1; cat /late");
    assert!(!is_running("while true"));
}

#[test]
fn a_build_that_is_cancelled_leaves_nothing() {
    let Some(store) = store() else { return };
    let word = format!("97{}", std::process::id());
    store.write("Dockerfile", format!("FROM busybox\nRUN (setsid sleep {word} &); sleep {word}\n"));
    let mut command = store.command(&["build", "--no-cache", "-q", "--isolation", "chroot", "."]);
    let mut building = command.spawn().unwrap();
    wait_until("the step runs", || is_running(&word));
    let pid = rustix::process::Pid::from_raw(building.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    building.wait().unwrap();
    wait_until("all of it has ended", || !is_running(&word));
}

#[test]
fn the_way_out_is_closed() {
    let Some(store) = store() else { return };
    let canary = store.write("canary", "seen");
    let out = build(
        &store,
        &format!(
            "cat /../../..{0} {0} 2>/dev/null; mknod /disk b 8 0 2>/dev/null && echo made; \
             chroot /bin /busybox true 2>/dev/null && echo entered; mount -t tmpfs t /mnt 2>/dev/null && echo mounted; \
             ls -A /proc /sys; echo end",
            canary.display()
        ),
    );
    for word in ["seen\n", " made\n", " entered\n", " mounted\n"] {
        assert!(!out.contains(word), "{word}: {out}");
    }
}

#[test]
fn secrets_and_mounts_are_in_no_layer() {
    let Some(store) = store() else { return };
    store.write("secret", "hush-hush");
    store.write("ctx/a", "from the context");
    store.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN --mount=type=secret,id=s --mount=target=/m --mount=type=cache,target=/c \
         --mount=type=tmpfs,target=/t cat /m/a /run/secrets/s >/dev/null && echo $(cat /run/secrets/s | wc -c) >/n && \
         echo kept >>/c/f && wc -l </c/f && touch /t/x\nRUN test ! -e /run/secrets/s && test ! -e /m && test ! -e /t && \
         test ! -e /c\nRUN --mount=type=cache,target=/c wc -l </c/f\n",
    );
    let words =
        ["build", "--isolation", "chroot", "--secret", "id=s,src=secret", "-t", "x", "-o", "type=tar,dest=o.tar"];
    store.run(&[&words[..], &["ctx"]].concat()).ok();
    let archive = std::fs::read(store.work().join("o.tar")).unwrap();
    let has = |text: &str| archive.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(!has("hush-hush") && !has("from the context") && !has("run/secrets"), "something stayed");
    let mut left =
        walkdir::WalkDir::new(store.root()).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    assert!(!left.any(|entry| std::fs::read(entry.path()).is_ok_and(|text| text.starts_with(b"hush-hush"))));
}
