//! Containers without namespaces (`--isolation chroot`): what they can do, which requests are refused, and that they
//! can't access anything of the machine.

use super::common::{TestStore, is_root, skip, wait_until};

fn store() -> Option<TestStore> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    TestStore::with_busybox()
}

/// `run` with these options before the image, and the words after it.
fn words<'a>(options: &[&'a str], program: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--isolation", "chroot"], options, &["busybox"], program].concat()
}

fn says(store: &TestStore, words: &[&str]) -> String {
    store.run(words).ok().stdout().trim_end().to_owned()
}

fn state(store: &TestStore, name: &str, field: &str) -> String {
    says(store, &["inspect", "-f", &format!("{{{{{field}}}}}"), name])
}

fn read(store: &TestStore, name: &str) -> String {
    std::fs::read_to_string(store.work().join(name)).unwrap()
}

/// Whether a process with that word among its arguments is running.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

/// A number that no other test's `sleep` uses.
fn unique(kind: u32) -> String {
    format!("{kind}{}", std::process::id())
}

#[test]
fn a_program_runs_and_what_it_changes_stays() {
    let Some(store) = store() else { return };
    let script = "echo out; echo err >&2; echo x >/new; rm /bin/vi; mkdir /d; chmod 711 /root; exit 7";
    let answer = store.run(&words(&["--name", "box"], &["sh", "-c", script]));
    assert_eq!((answer.code(), answer.stdout()), (Some(7), "out\n".to_owned()));
    let said = answer.stderr();
    assert!(said.contains("err\n") && said.contains("isolated by chroot alone, without namespaces"), "{said}");
    assert_eq!(says(&store, &["diff", "box"]), "C /bin\nD /bin/vi\nA /d\nA /new\nC /root");
    assert_eq!(state(&store, "box", ".HostConfig.Isolation"), "chroot");
    assert_eq!(state(&store, "box", ".HostConfig.NetworkMode"), "host");
    // The changes still exist at the next start, and further ones are added.
    let again = "cat /new; ls -d /d; test ! -e /bin/vi && rm -r /d /new && echo y >/other";
    says(&store, &["commit", "box", "kept"]);
    let second = ["run", "--isolation", "chroot", "--name", "second", "kept", "sh", "-c", again];
    assert_eq!(store.run(&second).ok().stdout(), "x\n/d\n");
    assert_eq!(says(&store, &["diff", "second"]), "D /d\nD /new\nA /other");
    // A container with namespaces sees them, too.
    says(&store, &["commit", "second", "third"]);
    let full = ["run", "--rm", "--isolation", "full", "--network", "none", "third", "ls", "-d", "/other", "/root"];
    assert_eq!(store.run(&full).ok().stdout(), "/other\n/root\n");
    store.run(&["rm", "box", "second"]).ok();
}

#[test]
fn one_in_the_background_is_reached_stopped_and_started_again() {
    let Some(store) = store() else { return };
    let word = unique(96);
    let script = format!("trap 'echo told; exit 3' TERM; echo begun >>/times; cat /times; sleep {word} & wait");
    says(&store, &words(&["-d", "--name", "box", "--network", "none"], &["sh", "-c", &script]));
    let logs = |wanted: &str| wait_until(wanted, || store.run(&["logs", "box"]).stdout() == wanted);
    logs("begun\n");
    assert_eq!(state(&store, "box", ".State.Status"), "running");
    assert!(says(&store, &["top", "box"]).contains(&word));
    store.run(&["stop", "box"]).ok();
    assert_eq!(says(&store, &["wait", "box"]), "3");
    logs("begun\ntold\n");
    assert!(!is_running(&word), "what it started runs on");
    store.run(&["start", "box"]).ok();
    logs("begun\ntold\nbegun\nbegun\n");
    store.run(&["kill", "box"]).ok();
    assert_eq!(says(&store, &["wait", "box"]), "137");
    assert!(!is_running(&word), "what it started runs on");
    store.run(&["start", "box"]).ok();
    store.run(&["rm", "-f", "box"]).ok();
    assert!(!is_running(&word), "what it started runs on");
    store.run(&["inspect", "box"]).fails(1);
}

#[test]
fn a_monitor_that_is_killed_takes_its_container_along() {
    let Some(store) = store() else { return };
    let word = unique(95);
    let script = format!("(setsid sleep {word} &); sleep {word}");
    says(&store, &words(&["-d", "--name", "box"], &["sh", "-c", &script]));
    wait_until("the program runs", || is_running(&word));
    let state_file = store.root().join("containers").join(state(&store, "box", ".Id")).join("state.json");
    let recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(state_file).unwrap()).unwrap();
    let monitor = recorded["MonitorPid"].as_i64().unwrap() as i32;
    let monitor = rustix::process::Pid::from_raw(monitor).unwrap();
    rustix::process::kill_process(monitor, rustix::process::Signal::KILL).unwrap();
    wait_until("all of it has ended", || !is_running(&word));
    assert!(says(&store, &["system", "check"]).contains("when its monitor was killed is not known"));
    assert_eq!(says(&store, &["run", "--rm", "--isolation", "chroot", "busybox", "echo", "on"]), "on");
    store.run(&["start", "box"]).ok();
    store.run(&["rm", "-f", "box"]).ok();
}

#[test]
fn more_programs_share_its_root_and_its_end() {
    let Some(store) = store() else { return };
    let (first, guest) = (unique(94), unique(93));
    says(&store, &words(&["-d", "--name", "box", "-e", "A=b"], &["sh", "-c", &format!("echo x >/f; sleep {first}")]));
    wait_until("the file is there", || store.run(&["exec", "box", "test", "-e", "/f"]).code() == Some(0));
    let script = "cat /f; echo $A; id -u; echo y >/g; ls -A /proc; exit 5";
    let answer = store.run(&["exec", "-u", "1000", "box", "sh", "-c", script]);
    assert_eq!((answer.code(), answer.stdout()), (Some(5), "x\nb\n1000\n".to_owned()), "{}", answer.stderr());
    // Users that the container has added itself.
    says(&store, &["exec", "box", "sh", "-c", "echo own:x:77:77::/:/bin/sh >>/etc/passwd"]);
    assert_eq!(says(&store, &["exec", "-u", "own", "box", "id", "-u"]), "77");
    store.run(&["exec", "--privileged", "box", "true"]).fails(1);
    says(
        &store,
        &["exec", "-d", "box", "sh", "-c", &format!("(setsid sleep {guest} &); sleep {guest}; echo late >/late")],
    );
    wait_until("the guest runs", || is_running(&guest));
    store.run(&["diff", "box"]).fails(1);
    store.run(&["commit", "box", "x"]).fails(1);
    store.run(&["stop", "-t", "0", "box"]).ok();
    assert!(!is_running(&guest) && !is_running(&first), "a program runs on");
    let changes = says(&store, &["diff", "box"]);
    assert_eq!(changes, "C /etc\nC /etc/passwd\nA /f");
    let refused = store.run(&["exec", "box", "true"]);
    assert!(refused.code() != Some(0) && refused.stderr().contains("is not running"), "{}", refused.stderr());
    store.run(&["rm", "box"]).ok();
}

#[test]
fn files_are_copied_in_and_out() {
    let Some(store) = store() else { return };
    store.write("in/a", "from the host\n");
    let create = ["create", "--isolation", "chroot", "--name", "box", "busybox"];
    let script = "cat /in/a; echo inside >/out; ln -s /etc/passwd /link; sleep 1000";
    says(&store, &[&create[..], &["sh", "-c", script]].concat());
    store.run(&["cp", "in", "box:/in"]).ok();
    assert_eq!(says(&store, &["diff", "box"]), "A /in\nA /in/a");
    store.run(&["start", "box"]).ok();
    wait_until("it runs", || store.run(&["exec", "box", "test", "-L", "/link"]).code() == Some(0));
    wait_until("it printed the file", || store.run(&["logs", "box"]).stdout() == "from the host\n");
    // A link in the container is resolved in the container.
    store.run(&["cp", "-L", "box:/link", "passwd"]).ok();
    assert!(!read(&store, "passwd").contains("systemd"), "the host's file");
    store.run(&["cp", "in/a", "box:/while"]).ok();
    assert_eq!(says(&store, &["exec", "box", "cat", "/while"]), "from the host");
    store.run(&["stop", "-t", "0", "box"]).ok();
    store.run(&["cp", "box:/out", "out"]).ok();
    assert_eq!(read(&store, "out"), "inside\n");
    assert_eq!(says(&store, &["diff", "box"]), "A /in\nA /in/a\nA /link\nA /out\nA /while");
    let listed = store.run(&["export", "-o", "all.tar", "box"]);
    assert_eq!(listed.code(), Some(0), "{}", listed.stderr());
    store.run(&["rm", "box"]).ok();
}

#[test]
fn what_takes_namespaces_is_refused_in_words() {
    let Some(store) = store() else { return };
    store.write("file", "");
    store.run(&["volume", "create", "named"]).ok();
    let folder = format!("{}:/x", store.work().display());
    for (options, word) in [
        (&["--privileged"][..], "--privileged"),
        (&["-v", &folder], "`/x`"),
        (&["-v", "named:/y"], "`/y`"),
        (&["--mount", "type=image,src=busybox,dst=/i"], "`/i`"),
        (&["--read-only"], "--read-only"),
        (&["--cap-add", "SYS_ADMIN"], "CAP_SYS_ADMIN"),
        (&["--hostname", "name"], "--hostname"),
        (&["--userns", "remap:100000:65536"], "--userns"),
        (&["--device", "/dev/null"], "devices"),
        (&["--sysctl", "net.core.somaxconn=9"], "--sysctl"),
        (&["--network", "container:x"], "network"),
    ] {
        let answer = store.run(&words(&[&["--rm"], options].concat(), &["true"]));
        assert_eq!(answer.code(), Some(125), "{options:?}: {}", answer.stderr());
        assert!(answer.stderr().contains(word), "{options:?}: {}", answer.stderr());
    }
    assert_eq!(says(&store, &["ps", "-aq"]), "", "something was made");
}

#[test]
fn what_is_meant_for_memory_is_a_folder_and_volumes_are_its_own() {
    let Some(store) = store() else { return };
    store.write("Dockerfile", "FROM busybox\nVOLUME /data\n");
    store.run(&["build", "-q", "-t", "volumes", "."]).ok();
    let script =
        "stat -c %a /t; echo x >/t/f; echo kept >/data/f; test -w /dev/null && cat /etc/resolv.conf >/dev/null";
    let options = ["run", "--isolation", "chroot", "--name", "box", "--tmpfs", "/t:mode=1770", "volumes"];
    assert_eq!(says(&store, &[&options[..], &["sh", "-c", script]].concat()), "1770");
    assert_eq!(says(&store, &["diff", "box"]), "A /data\nA /data/f");
    assert_eq!(says(&store, &["volume", "ls", "-q"]), "");
    store.run(&["rm", "box"]).ok();
}

#[test]
fn without_a_network_there_are_sockets_of_files_only() {
    let Some(store) = store() else { return };
    let try_it = |network: &str| {
        let program = ["sh", "-c", "nc -w 1 127.0.0.1 1 2>&1 | tail -1"];
        says(&store, &words(&["--rm", "--network", network], &program))
    };
    // The C library's message for EAFNOSUPPORT.
    assert!(try_it("none").contains("not supported"), "{}", try_it("none"));
    assert!(!try_it("host").contains("not supported"));
    let answer = store.run(&words(&["--rm", "-p", "8080:80"], &["true"])).ok();
    assert!(answer.stderr().contains("no port is published"), "{}", answer.stderr());
}

#[test]
fn a_terminal_is_the_programs_own() {
    let Some(store) = store() else { return };
    says(
        &store,
        &words(
            &["-dt", "--name", "box"],
            &["sh", "-c", "test -t 0 && stty size && echo x >/dev/tty && echo yes; sleep 1000"],
        ),
    );
    wait_until("it has a terminal", || store.run(&["logs", "box"]).stdout().contains("yes"));
    says(&store, &["rm", "-f", "box"]);
}

#[test]
fn a_step_is_looked_into() {
    let Some(store) = store() else { return };
    let text = "FROM busybox\nRUN mkdir /gone && echo old > /gone/old && echo base > /base\nWORKDIR /src\nENV KEPT=yes\n\
                RUN --mount=type=cache,target=/cache rm -r /gone && echo left > left && echo c > /cache/c && exit 3\n";
    store.write("ctx/Dockerfile", text);
    store.run(&["build", "--isolation", "chroot", "ctx"]).fails(1);
    let debug = |words: &[&str]| store.run(&[&["debug", "--isolation", "chroot"], words].concat());
    let script = "pwd; echo $KEPT; cat left /cache/c /base; ls -d /gone; mkdir /gone && echo new > /gone/new; \
                  rm left /base; echo d > /cache/d";
    assert_eq!(debug(&["--", "sh", "-c", script]).ok().stdout(), "/src\nyes\nleft\nc\nbase\n");
    // The changes exist the next time, without any of the mounts.
    let script = "ls /gone /cache; ls -A /dev/shm left /base; exit 4";
    let answer = debug(&["--", "sh", "-c", script]);
    assert_eq!((answer.code(), answer.stdout()), (Some(4), "/cache:\nc\nd\n\n/gone:\nnew\n/dev/shm:\n".to_owned()));
    // A shell for a root without one, a successful step, and the step itself.
    let answer = store.run_with_input(&["debug", "--isolation", "chroot"], b"echo $((6*7))\n").ok();
    assert_eq!(answer.stdout(), "42\n");
    let id = says(&store, &["builds", "ls", "-q"]);
    let first = id.lines().next().unwrap();
    assert_eq!(debug(&[first, "2", "--", "cat", "/gone/old"]).ok().stdout(), "old\n");
    debug(&["--retry"]).fails(3);
    debug(&["--commit", "kept:1"]).ok();
    let full = ["run", "--rm", "--isolation", "full", "--network", "none", "kept:1", "sh", "-c"];
    let listed = store.run(&[&full[..], &["ls -A /gone /cache /base 2>&1; cat left"]].concat());
    assert!(listed.stdout().contains("left\n") && !listed.stdout().contains("/cache:\nc"), "{}", listed.stdout());
}

#[test]
fn nobody_outside_is_reached() {
    let Some(store) = store() else { return };
    let mut witness = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let canary = store.write("canary", "seen");
    let script = format!(
        "kill -9 {} 2>/dev/null; cat /../../..{1} {1} 2>/dev/null; mknod /disk b 8 0 2>/dev/null && echo made; \
         chroot /bin /busybox true 2>/dev/null && echo entered; mount -t tmpfs t /mnt 2>/dev/null && echo mounted; \
         ls -A /proc /sys | grep -v :; echo end",
        witness.id(),
        canary.display()
    );
    let printed = says(&store, &words(&["--rm"], &["sh", "-c", &script]));
    assert_eq!(printed.trim(), "end");
    says(&store, &words(&["-d", "--name", "box"], &["sleep", "1000"]));
    assert_eq!(says(&store, &["exec", "box", "sh", "-c", &script]).trim(), "end");
    says(&store, &["rm", "-f", "box"]);
    assert!(witness.try_wait().unwrap().is_none(), "somebody else was killed");
    witness.kill().unwrap();
    witness.wait().unwrap();
}
