//! Steps that are isolated by chroot alone, and try to escape or to persist.

use super::common::{TestStore, is_root, skip, wait_until};

/// Builds a step by chroot; returns its output.
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

/// Whether a process with that word among its arguments is running.
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
    // It may kill its own step.
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

/// A file of the host's in its own folder, and that folder.
fn canary(store: &TestStore) -> std::path::PathBuf {
    store.write("host/c/f", "of the host");
    store.work().join("host")
}

/// Everything in a folder, with all attributes that can be changed.
fn looked_at(folder: &std::path::Path) -> Vec<String> {
    let mut seen: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let stat = rustix::fs::lstat(entry.path()).unwrap();
            let changed = (stat.st_ctime, stat.st_ctime_nsec, stat.st_nlink);
            format!("{} {:o} {} {changed:?}", entry.path().display(), stat.st_mode, stat.st_uid)
        })
        .collect();
    seen.sort();
    seen
}

#[test]
fn a_cache_that_is_replaced_by_a_link_shows_nothing_of_the_host() {
    let Some(store) = store() else { return };
    let host = canary(&store);
    let before = looked_at(&host);
    let host = host.display();
    for (cache, replaced) in [
        ("/a/c", format!("mv /a /b; ln -s {host} /a")),
        ("/d/c", format!("rm -rf /d; ln -s {host} /d")),
        ("/c", format!("rm -rf /c; ln -s {host}/c /c")),
        ("/e", format!("mv /e /f; ln -s {host}/c/f /e")),
        ("/g", "rm -rf /g; mkfifo /g".to_owned()),
    ] {
        let mount = format!("--mount=type=cache,target={cache}");
        build(&store, &format!("{mount} echo kept >{cache}/own"));
        build(&store, &format!("{mount} {replaced}"));
        let out = build(&store, &format!("{mount} ls -A {cache}; cat {cache}/f {cache}/own; true"));
        assert!(!out.contains("of the host"), "{replaced}: {out}");
    }
    assert_eq!(looked_at(std::path::Path::new(&host.to_string())), before, "something of the host has changed");
}

#[test]
fn a_cache_is_written_back_wherever_its_folder_is_and_however_the_program_ends() {
    let Some(store) = store() else { return };
    let mount = "--mount=type=cache,target=/a/c";
    build(&store, &format!("{mount} echo moved >/a/c/f && mv /a /b"));
    let out = build(&store, &format!("{mount} cat /a/c/f"));
    assert!(out.contains("moved\n"), "{out}");
    store.write("Dockerfile", format!("FROM busybox\nRUN {mount} echo failed >/a/c/f; false\n"));
    store.run(&["build", "--no-cache", "--isolation", "chroot", "."]).fails(1);
    let out = build(&store, &format!("{mount} cat /a/c/f"));
    assert!(out.contains("failed\n"), "{out}");
}

#[test]
fn a_secret_that_is_moved_or_linked_does_not_stay() {
    let Some(store) = store() else { return };
    store.write("secret", "hush-hush");
    for moved in [
        "mv /run /moved",
        "mv /run/secrets /moved",
        "mv /run/secrets/s /moved",
        "ln /run/secrets/s /moved",
        "mkdir -p /moved/a && ln /run/secrets/s /moved/a/b && rm /run/secrets/s",
        "mv /run /moved && mkdir -p /run/secrets && echo other >/run/secrets/s",
        "mv /run /moved && ln -s /moved /run",
    ] {
        store.write("Dockerfile", format!("FROM busybox\nRUN --mount=type=secret,id=s {moved}\nRUN ls -lR /moved /run; \\\n  cat /moved/s /moved/secrets/s /moved/a/b /run/secrets/s; true\n"));
        let words = ["--secret", "id=s,src=secret", "--progress", "plain", "-o", "type=tar,dest=o.tar", "."];
        let out = store.run(&[&["build", "--no-cache", "--isolation", "chroot"], &words[..]].concat()).ok();
        let archive = std::fs::read(store.work().join("o.tar")).unwrap();
        assert!(!archive.windows(9).any(|bytes| bytes == b"hush-hush"), "{moved}: it is in a layer");
        assert!(!out.stderr().contains("hush-hush"), "{moved}: the next step has it: {}", out.stderr());
    }
    let mut left = walkdir::WalkDir::new(store.root()).into_iter().flatten();
    assert!(!left.any(|entry| std::fs::read(entry.path()).is_ok_and(|text| text.starts_with(b"hush-hush"))));
}

/// Whatever is not a link to or a name of something that was placed is kept, however similar it is.
#[test]
fn what_a_program_makes_in_the_place_of_something_placed_stays_as_in_a_layer() {
    let Some(store) = store() else { return };
    let out = build(
        &store,
        "mv /etc /old && mkdir /etc && echo new >/etc/resolv.conf && echo own >/etc/own\nRUN ls -A /old /etc; \
         grep -c '^new' /etc/resolv.conf; cat /etc/own",
    );
    assert!(out.contains("own\n") && !out.contains(" 1\n"), "{out}");
}

#[test]
fn places_that_a_program_prepared_lead_nowhere() {
    let Some(store) = store() else { return };
    let host = canary(&store);
    store.write("secret", "hush-hush");
    let before = looked_at(&host);
    let text = format!(
        "FROM busybox\n\
         RUN mkdir -p /run /p && rm -rf /etc /dev /proc && mkfifo /p/fifo && ln -s {0} /run/secrets && ln -s {0} /etc && \
           ln -s {0} /proc && ln -s {0}/c/f /p/link && ln -s {0} /w && (nc -l -p 1 -s 127.0.0.1 & true)\n\
         RUN --mount=type=secret,id=s,target=/p/fifo --mount=type=secret,id=s,target=/p/link --mount=type=secret,id=s \
           --mount=type=cache,target=/w/c test -f /p/fifo && test -f {0}/s && test -f {0}/resolv.conf && test ! -e {0}/c/f && \
           rm -rf /dev && ln -s {0} /dev && chmod -R 777 /w/ && chown -R 7:7 /w/\n\
         WORKDIR /w/made\n\
         RUN rm -rf /proc /sys /etc && echo x >/proc && ln -s {0} /sys && ln -s {0} /etc && touch here /w/there\n\
         COPY secret /w/c/f\n\
         USER 1000\n\
         RUN test -p /p/fifo && test -L /p/link && test ! -e /run/secrets/s && cat /etc/resolv.conf >/dev/null && test -d /proc && test -c /dev/null\n",
        host.display()
    );
    store.write("Dockerfile", text);
    let words = ["build", "--no-cache", "--isolation", "chroot", "--secret", "id=s,src=secret", "-t", "x", "."];
    store.run(&words).ok();
    assert_eq!(looked_at(&host), before, "something of the host has changed");
}

#[test]
fn an_agent_is_reached_and_its_socket_is_not_the_host_s() {
    let Some(store) = store() else { return };
    let socket = store.work().join("agent");
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let before = looked_at(&socket);
    let run = "--mount=type=ssh test -S $SSH_AUTH_SOCK && chmod 777 $SSH_AUTH_SOCK && chown 7 $SSH_AUTH_SOCK && ln $SSH_AUTH_SOCK /kept";
    store.write("Dockerfile", format!("FROM busybox\nRUN {run}\nRUN test ! -e /kept && test ! -e /run/buildkit\n"));
    let agent = format!("default={}", socket.display());
    store.run(&["build", "--no-cache", "--isolation", "chroot", "--ssh", &agent, "."]).ok();
    assert_eq!(looked_at(&socket), before, "the host's socket has changed");
}
