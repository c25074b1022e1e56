//! Failed steps: files from their root filesystem, and a shell in it.

use crate::common::screen::Screen;
use crate::common::{Answer, TestStore, wait_until};

const FAILS: &str = "FROM busybox AS base\nWORKDIR /src\nENV KEPT=yes\nARG API_TOKEN=none\nRUN echo one > one\n\
                     RUN --mount=type=cache,target=/cache --mount=type=secret,id=word \
                     mkdir -p out/a out/b && echo ok > out/a/t.xml && echo bad > out/b/t.xml && echo x > out/b/t.log && \
                     echo cached > /cache/file && exit 7\nRUN echo never\n";

#[test]
fn files_of_a_failed_step_are_written_where_they_are_wanted() {
    let Some(store) = TestStore::with_busybox() else { return };
    let wanted = [
        "--output-on-failure=out/**/*.xml=reports",
        "--output-on-failure=/src/out/b=all",
        "--output-on-failure=/src/one=single",
        "--output-on-failure=one=folder/",
        "--output-on-failure=/src/none*=nothing",
        "--output-on-failure=/bin/busybox=programs/",
    ];
    let answer = store.build_text(FAILS, &wanted).fails(1);
    let read = |path: &str| std::fs::read_to_string(store.work().join(path)).unwrap_or_else(|_| panic!("{path}"));
    assert_eq!((read("reports/a/t.xml"), read("reports/b/t.xml")), ("ok\n".to_owned(), "bad\n".to_owned()));
    assert!(!store.work().join("reports/b/t.log").exists(), "it was not asked for");
    assert_eq!((read("all/t.xml"), read("all/t.log")), ("bad\n".to_owned(), "x\n".to_owned()));
    assert_eq!((read("single"), read("folder/one")), ("one\n".to_owned(), "one\n".to_owned()));
    assert!(store.work().join("programs/busybox").exists(), "it is in a layer below");
    assert!(answer.stderr().contains("`/src/none*` is not in the root filesystem"), "{}", answer.stderr());
    assert!(answer.stderr().contains("exit code: 7"), "{}", answer.stderr());
    // A successful build writes none.
    store.build_text("FROM busybox\nRUN echo x > /x\n", &["--output-on-failure=/x=unwanted"]).ok();
    assert!(!store.work().join("unwanted").exists());
    for wrong in ["x", "=y", "/x=", "/x=-", "/[=y"] {
        let answer = store.build(&[&format!("--output-on-failure={wrong}")]);
        assert!(!answer.stderr().is_empty() && answer.code() != Some(0), "{wrong}");
    }
}

#[test]
fn links_of_a_failed_step_lead_nowhere_out_of_it() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("secret", "of the host");
    let text = format!(
        "FROM busybox\nRUN mkdir /o && ln -s {0}/secret /o/file && ln -s {0} /o/folder && exit 1\n",
        store.work().display()
    );
    let wanted =
        ["--output-on-failure=/o/file=f", "--output-on-failure=/o/folder/secret=g", "--output-on-failure=/o=h"];
    store.build_text(&text, &wanted).fails(1);
    assert!(!store.work().join("f").exists() && !store.work().join("g").exists());
    assert!(std::fs::symlink_metadata(store.work().join("h/file")).unwrap().is_symlink(), "copied as it is");
}

#[test]
fn a_failed_step_is_entered_changed_tried_again_and_committed() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("word", "sesame-9f2c");
    let given = ["--secret=id=word,src=word", "--build-arg=API_TOKEN=hidden-9f2c"];
    store.build_text(FAILS, &given).fails(1);
    let list = store.run(&["debug", "--list"]).ok().stdout();
    assert!(list.contains("6  failed") && list.contains("7  not reached") && list.contains("5  done"), "{list}");
    // It is as the program left it, with its mounts, working directory and environment.
    let script = "pwd; cat out/b/t.xml /cache/file /run/secrets/word; echo $KEPT; echo token=$API_TOKEN; touch changed";
    let answer = store.run(&["debug", "--secret", "id=word,src=word", "--", "sh", "-c", script]).ok();
    assert_eq!(answer.stdout(), "/src\nbad\ncached\nsesame-9f2cyes\ntoken=\n");
    assert!(answer.stderr().contains("`API_TOKEN` is not kept"), "{}", answer.stderr());
    let answer = store
        .run(&[
            "debug",
            "--build-arg",
            "API_TOKEN=again",
            "--",
            "sh",
            "-c",
            "echo $API_TOKEN; ls -d /run 2>&1 | grep -v No; true",
        ])
        .ok();
    assert_eq!(answer.stdout(), "again\n", "what was mounted left no trace");
    // No secret is in the store.
    let found = std::process::Command::new("grep")
        .args(["-rlE", "sesame-9f2c|hidden-9f2c"])
        .arg(store.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    // Runs the step itself again on top of that, and makes an image of it.
    store.run(&["debug", "--retry"]).fails(7);
    store.run(&["debug", "--commit", "looked:1"]).ok();
    let answer = store.run(&["run", "--rm", "looked:1", "sh", "-c", "ls; echo $KEPT$API_TOKEN"]).ok();
    assert_eq!(answer.stdout(), "changed\none\nout\nyes\n");
}

#[test]
fn any_step_of_any_build_is_entered() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/file", "from the context");
    let text = "FROM busybox\nRUN echo a > /a\nCOPY file /copied\nRUN --mount=type=bind,target=/ctx echo b > /b\n";
    store.build_text(text, &[]).ok();
    let in_step = |step: &str, script: &str| {
        let id = build_id(&store);
        store.run(&["debug", &id, step, "--", "sh", "-c", script])
    };
    assert_eq!(in_step("2", "ls /a /b /copied 2>/dev/null").stdout(), "/a\n");
    assert_eq!(in_step("COPY file", "cat /copied; ls /b 2>/dev/null").stdout(), "from the context");
    assert_eq!(in_step("4", "cat /ctx/file; ls /b").ok().stdout(), "from the context/b\n");
    assert!(in_step("nothing like it", "true").fails(1).stderr().contains("RUN echo a > /a"));
    assert!(in_step("RUN", "true").fails(1).stderr().contains("several steps"));
    assert_eq!(in_step("2", "exit 3").code(), Some(3));
    // A fully cached build is entered through the steps kept from an earlier one.
    store.build(&[]).ok();
    assert_eq!(in_step("2", "cat /a").ok().stdout(), "a\n");
    assert_eq!(store.run(&["debug", "--last", "2", "--", "cat", "/a"]).ok().stdout(), "a\n");
    let unknown = store.run(&["debug", "0000"]).fails(1).stderr();
    assert!(unknown.contains("no build `0000`") && unknown.contains("rbuild debug --last 0000"), "{unknown}");
    store.run(&["debug", "--last", "2", "4"]).fails(1);
}

fn build_id(store: &TestStore) -> String {
    let answer = store.run(&["buildx", "history", "ls", "--format", "{{.Ref}}"]).ok();
    let first = answer.stdout().lines().next().unwrap_or_default().to_owned();
    first.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn a_root_without_a_shell_has_one_mounted_aside() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = "FROM scratch\nCOPY --from=busybox /bin/busybox /busybox.static\nRUN [\"/busybox.static\", \"false\"]\n";
    store.build_text(text, &[]).fails(1);
    let answer = store.run_with_input(&["debug", "--shell-from", "busybox"], b"/busybox.static echo hi\nls /\n").ok();
    assert!(answer.stdout().starts_with("hi\n") && answer.stdout().contains("busybox.static\n"), "{}", answer.stdout());
    // Nothing of it stays.
    let answer = store.run(&["debug", "--", "/busybox.static", "ls", "-a", "/"]).ok();
    assert!(!answer.stdout().contains("rbuild-debug"), "{}", answer.stdout());
    let mut command = store.command(&["debug"]);
    command.env("PATH", "/nowhere");
    if !std::path::Path::new("/bin/busybox").exists()
        && !std::path::Path::new("/usr/lib/initramfs-tools/bin/busybox").exists()
    {
        let answer = Answer::of(command).fails(1);
        assert!(answer.stderr().contains("--shell-from"), "{}", answer.stderr());
    }
}

#[test]
fn what_is_kept_is_counted_and_goes_first() {
    let Some(store) = TestStore::with_busybox() else { return };
    store
        .build_text("FROM busybox\nRUN echo a > /a\nRUN dd if=/dev/zero of=/big bs=1M count=8; exit 1\n", &[])
        .fails(1);
    let rows = store.run(&["buildx", "du", "--format", "{{.Type}} {{.Size}}"]).ok().stdout();
    let kept = rows.lines().find(|row| row.starts_with("exec.debug ")).unwrap_or_else(|| panic!("{rows}"));
    assert!(kept.contains("8.4"), "{kept}");
    let pruned = store.run(&["builder", "prune", "-f", "--max-used-space", "7MB"]).ok();
    assert!(store.run(&["debug", "--list"]).fails(1).stderr().contains("has kept a step") || pruned.code() == Some(0));
    assert!(store.run(&["debug"]).fails(1).stderr().contains("build again"));
    let again = store.build_text("FROM busybox\nRUN echo a > /a\n", &[]).ok();
    assert!(again.executed().is_empty(), "the layer stayed: {}", again.stderr());
}

#[test]
fn a_secret_in_a_path_hides_no_steps() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("of-hush9f2c/Dockerfile", "FROM busybox\nARG A_TOKEN\nRUN echo a > /a\n");
    let build = || store.run(&["build", "--build-arg", "A_TOKEN=hush9f2c", "of-hush9f2c"]).ok();
    build();
    build();
    // Everything was cached: it is entered through the steps kept from the last one.
    assert_eq!(store.run(&["debug", &build_id(&store), "RUN", "--", "cat", "/a"]).ok().stdout(), "a\n");
    let shown = store.run(&["builds", "show", "--format", "json"]).ok().stdout();
    assert!(!shown.contains("hush9f2c") && shown.contains("of-***"), "{shown}");
}

#[test]
fn any_step_becomes_an_image() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n", &[]).ok();
    let id = build_id(&store);
    store.run(&["debug", &id, "2", "--commit", "step:2"]).ok();
    let listed = store.run(&["run", "--rm", "--network", "none", "step:2", "sh", "-c", "ls /a /b 2>/dev/null"]);
    assert_eq!(listed.stdout(), "/a\n");
}

#[test]
fn a_build_opens_the_shell_at_once_on_a_terminal_and_says_how_elsewhere() {
    let Some(store) = TestStore::with_busybox() else { return };
    let answer = store.build_text("FROM busybox\nRUN echo left > /left; exit 3\n", &["--debug"]).fails(1);
    assert!(answer.stderr().contains("hint: `rbuild debug "), "{}", answer.stderr());
    let mut screen = Screen::new(24, 80);
    let mut child = screen.start(store.command(&["build", "--on-error=shell", "ctx"]));
    screen.reads("what is changed stays");
    screen.types("cat /left; exit\n");
    assert_eq!(screen.follow(&mut child), Some(1));
    assert!(String::from_utf8_lossy(&screen.bytes).contains("\nleft\r"), "{}", screen.bytes.escape_ascii());
    let mut child = screen.start(store.command(&["debug"]));
    screen.types("echo $((6*7)); exit 5\n");
    assert_eq!(screen.follow(&mut child), Some(5));
    assert!(String::from_utf8_lossy(&screen.bytes).contains("\n42\r"), "{}", screen.bytes.escape_ascii());
}

#[test]
fn an_ordinary_user_looks_into_a_step_too() {
    let Some(store) = TestStore::of_user() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nUSER 1\nRUN echo hi > /tmp/x; exit 3\n");
    // The build needs rights, and restarts: the files still belong to the caller.
    let wanted = ["build", "--output-on-failure=/tmp/x=x", "--iidfile=id", "ctx"];
    store.run(&wanted).fails(1);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    let umask = u32::from_str_radix(umask, 8).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&store.work().join("x").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o666 & !umask);
    let answer = store.run(&["debug", "--", "sh", "-c", "id -u; cat /tmp/x; echo more > /tmp/y"]).ok();
    assert_eq!(answer.stdout(), "1\nhi\n");
    store.run(&["debug", "--commit", "c:1"]).ok();
    assert_eq!(store.run(&["run", "--rm", "c:1", "cat", "/tmp/y"]).ok().stdout(), "more\n");
}

#[test]
fn what_a_step_left_is_entered_after_a_reboot_only_where_it_was_synced() {
    let Some(store) = TestStore::with_busybox() else { return };
    let fail = || drop(store.build_text("FROM busybox\nRUN echo left > /left; exit 3\n", &[]).fails(1));
    let kept = || {
        let folder = std::fs::read_dir(store.root().join("debug")).unwrap().next().unwrap().unwrap();
        folder.path().join("boot")
    };
    // As if after a reboot: the boot ID differs.
    let reboot = || std::fs::write(store.root().join("boot"), "an earlier one").unwrap();
    fail();
    wait_until("the store is synced", || !kept().exists());
    reboot();
    assert_eq!(store.run(&["debug", "--", "cat", "/left"]).ok().stdout(), "left\n");
    // A change makes it unsynced again, for a moment.
    wait_until("the store is synced", || !kept().exists());
    std::fs::write(kept(), "an earlier one").unwrap();
    reboot();
    let answer = store.run(&["debug", "--", "cat", "/left"]).fails(1);
    assert!(answer.stderr().contains("lost when the machine went down: steps debug/"), "{}", answer.stderr());
    assert!(answer.stderr().contains("build again"), "{}", answer.stderr());
}

#[test]
fn a_build_without_steps_is_not_taken_for_the_one_before() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nRUN echo a > /a\n", &[]).ok();
    let before = build_id(&store);
    let enter = || store.run(&["debug", "--", "cat", "/a"]).ok();
    assert!(!enter().stderr().contains("note: "), "{}", enter().stderr());
    store.build(&[]).ok();
    assert!(!enter().stderr().contains("note: "), "all of it was in the cache: {}", enter().stderr());
    store.build_text("FROM busybox\nRUNN x\n", &[]).fails(1);
    let said = enter().stderr();
    assert!(said.contains("note: no step of the last build") && said.contains(&before), "{said}");
}
