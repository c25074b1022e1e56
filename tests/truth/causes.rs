//! All reasons for executing a step are reported correctly.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Answer, TestStore};

/// The reason that the build gave for executing the step with this title, which includes the flags.
#[track_caller]
fn why(answer: &Answer, step: &str) -> String {
    let text = answer.stderr();
    let lines: Vec<&str> = text.lines().collect();
    let title = |line: &str| Some(line.strip_prefix('#')?.split_once(" [")?.1.split_once("] ")?.1.to_owned());
    let is_header = |line: &&&str| !line.contains(" why: ") && title(line).as_deref() == Some(step);
    let header = lines.iter().find(is_header);
    let header = header.unwrap_or_else(|| panic!("no step `{step}` in\n{text}"));
    let number = header.split_once(' ').unwrap().0;
    let reason = lines.iter().find_map(|line| line.strip_prefix(&format!("{number} why: ")));
    reason.unwrap_or_else(|| panic!("`{step}` says no reason in\n{text}")).to_owned()
}

/// Builds twice with a change in between, and returns the second answer.
fn rebuilt(store: &TestStore, dockerfiles: [&str; 2], arguments: [&[&str]; 2], change: impl FnOnce()) -> Answer {
    store.build_text(dockerfiles[0], arguments[0]).ok();
    change();
    store.build_text(dockerfiles[1], arguments[1]).ok()
}

#[test]
fn files_are_named_with_what_happened_to_them() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "FROM busybox\nCOPY . /src/\nRUN ls /src\n";
    let build = || store.build_text(dockerfile, &[]).ok();
    for name in ["a.rs", "b.rs", "c.rs"] {
        store.write(&format!("ctx/src/{name}"), name);
    }
    assert_eq!(why(&build(), "COPY . /src/"), "first time seen");
    store.write("ctx/src/a.rs", "A.rs");
    let second = build();
    assert_eq!(why(&second, "COPY . /src/"), "file `src/a.rs` changed");
    assert_eq!(why(&second, "RUN ls /src"), "a step before it changed: [2/3] COPY . /src/");
    store.write("ctx/src/deep/new.rs", "");
    std::fs::remove_file(store.work().join("ctx/src/b.rs")).unwrap();
    assert_eq!(why(&build(), "COPY . /src/"), "file `src/b.rs` was removed, folder `src/deep` was added");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(store.work().join("ctx/src/c.rs"), mode).unwrap();
    assert_eq!(why(&build(), "COPY . /src/"), "mode of `src/c.rs` was 0644, now 0755");
    for number in 0..9 {
        store.write(&format!("ctx/src/n{number}"), "");
    }
    let many = why(&build(), "COPY . /src/");
    assert!(many.ends_with("file `src/n3` was added and 5 more"), "{many}");
}

#[test]
fn variables_are_named_with_both_values_unless_they_are_secret() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = |mode: &str| {
        format!("FROM busybox\nARG V\nARG API_TOKEN\nENV MODE={mode}\nRUN echo $V $API_TOKEN $MODE > /out\n")
    };
    let step = "RUN echo $V $API_TOKEN $MODE > /out";
    let build = |mode: &str, v: &str, token: &str| {
        let (v, token) = (format!("V={v}"), format!("API_TOKEN={token}"));
        why(&store.build_text(&dockerfile(mode), &["--build-arg", &v, "--build-arg", &token]).ok(), step)
    };
    build("fast", "1", "first-hunter22");
    assert_eq!(build("fast", "2", "first-hunter22"), "ARG `V` was `1`, now `2`");
    assert_eq!(build("slow", "2", "first-hunter22"), "ENV `MODE` was `fast`, now `slow`");
    assert_eq!(build("slow", "2", "other-hunter33"), "ARG `API_TOKEN` changed");
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(store.root().join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter22") && !text.contains("hunter33"), "{file} has the secret");
    }
}

#[test]
fn bases_that_moved_and_bases_that_are_others_are_told_apart() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nRUN echo other > /other\n", &["-t", "other"]).ok();
    store.run(&["tag", "busybox", "base:1"]).ok();
    let dockerfile = "FROM base:1\nRUN echo one > /one\n";
    store.build_text(dockerfile, &[]).ok();
    store.run(&["tag", "other", "base:1"]).ok();
    let moved = why(&store.build_text(dockerfile, &[]).ok(), "RUN echo one > /one");
    assert!(moved.starts_with("base `docker.io/library/base:1` moved from sha256:"), "{moved}");
    assert!(moved.contains(" to sha256:"), "{moved}");
    let replaced = store.build_text("FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n", &[]).ok();
    assert_eq!(replaced.executed(), ["RUN echo two > /two"]);
    let other = store.build_text("FROM other\nRUN echo one > /one\nRUN echo two > /two\n", &["-t", "x"]).ok();
    let replaced = why(&other, "RUN echo two > /two");
    assert!(
        replaced.starts_with("base was `docker.io/library/busybox:latest`, now `docker.io/library/other"),
        "{replaced}"
    );
}

#[test]
fn edited_new_and_removed_instructions_are_told_apart() {
    let Some(store) = TestStore::with_busybox() else { return };
    let build = |steps: &[&str]| {
        let steps: String = steps.iter().map(|step| format!("RUN {step}\n")).collect();
        store.build_text(&format!("FROM busybox\n{steps}"), &[]).ok()
    };
    build(&["echo a > /a", "echo b > /b", "echo c > /c"]);
    let edited = build(&["echo a > /a", "echo B > /b", "echo c > /c"]);
    assert_eq!(why(&edited, "RUN echo B > /b"), "instruction changed from `RUN echo b > /b` to `RUN echo B > /b`");
    assert_eq!(why(&edited, "RUN echo c > /c"), "a step before it changed: [3/4] RUN echo B > /b");
    let added = build(&["echo a > /a", "echo n > /n", "echo B > /b", "echo c > /c"]);
    assert_eq!(why(&added, "RUN echo n > /n"), "the instruction is new");
    let removed = build(&["echo a > /a", "echo c > /c"]);
    let reason = why(&removed, "RUN echo c > /c");
    assert!(reason.starts_with("a step before it was removed: [3/5] RUN echo n"), "{reason}");
}

#[test]
fn options_of_the_build_are_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = "FROM busybox AS first\nRUN echo 1 > /1\nFROM first AS second\nRUN echo 2 > /2\n";
    store.build_text(text, &[]).ok();
    assert_eq!(why(&store.build(&["--no-cache"]).ok(), "RUN echo 2 > /2"), "--no-cache");
    let filtered = store.build(&["--no-cache-filter", "second"]).ok();
    assert_eq!(why(&filtered, "RUN echo 2 > /2"), "--no-cache-filter=second");
    assert_eq!(filtered.cached(), ["RUN echo 1 > /1"]);
    let host = store.build(&["--add-host", "db:10.0.0.7"]).ok();
    assert_eq!(why(&host, "RUN echo 1 > /1"), "--add-host db is new: `10.0.0.7`");
    let network = store.build(&["--network", "none"]).ok();
    assert!(why(&network, "RUN echo 1 > /1").contains("network was `default`, now `none`"));
}

#[test]
fn what_other_instructions_set_is_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    let cases = [
        ("RUN pwd", ["WORKDIR /tmp", "WORKDIR /etc"], "working directory was `/tmp`, now `/etc`"),
        ("RUN id", ["USER 1", "USER 2"], "user was `1`, now `2`"),
        (
            "RUN true",
            ["SHELL [\"/bin/sh\", \"-c\"]", "SHELL [\"/bin/sh\", \"-ec\"]"],
            "SHELL was `/bin/sh -c`, now `/bin/sh -ec`",
        ),
    ];
    for (step, setting, wanted) in cases {
        let text = setting.map(|setting| format!("FROM busybox\n{setting}\n{step}\n"));
        let answer = rebuilt(&store, [&text[0], &text[1]], [&[], &[]], || {});
        assert_eq!(why(&answer, step), wanted);
    }
}

#[test]
fn mounts_and_what_they_show_are_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/in/f", "1");
    let run = |options: &str| format!("FROM busybox\nRUN --mount={options} true\n");
    let cases = [
        (
            "type=cache,id=one,target=/c",
            "type=cache,id=two,target=/c",
            "mount `/c` was `type=cache,id=one`, now `type=cache,id=two`",
        ),
        (
            "type=secret,id=s1,target=/s",
            "type=secret,id=s2,target=/s",
            "mount `/s` was `type=secret,id=s1,ro`, now `type=secret,id=s2,ro`",
        ),
        (
            "type=tmpfs,target=/t",
            "type=tmpfs,target=/t,size=1048576",
            "mount `/t` was `type=tmpfs`, now `type=tmpfs,size=1048576`",
        ),
    ];
    for (was, now, wanted) in cases {
        let answer = rebuilt(&store, [&run(was), &run(now)], [&[], &[]], || {});
        assert_eq!(why(&answer, &format!("RUN --mount={now} true")), wanted);
    }
    let mount = "type=bind,source=in,target=/in";
    let bind = run(mount);
    let answer = rebuilt(&store, [&bind, &bind], [&[], &[]], || drop(store.write("ctx/in/f", "2")));
    assert_eq!(why(&answer, &format!("RUN --mount={mount} true")), "file `in/f` changed");
}

#[test]
fn copies_say_what_of_their_sources_and_options_changed() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/f", "1");
    let from = |content: &str| {
        format!(
            "FROM busybox AS make\nRUN mkdir /o && echo {content} > /o/made && echo 1 > /o/same\nFROM busybox\nCOPY --from=make /o /o\n"
        )
    };
    let answer = rebuilt(&store, [&from("1"), &from("2")], [&[], &[]], || {});
    assert_eq!(why(&answer, "COPY --from=make /o /o"), "file `/o/made` changed");
    let mode = |mode: &str| format!("FROM busybox\nCOPY --chmod={mode} f /f\n");
    for (modes, reason) in
        [(["600", "0644"], "--chmod was `0600`, now `0644`"), (["u+x", "a+x"], "--chmod was `+0100`, now `+0111`")]
    {
        let answer = rebuilt(&store, [&mode(modes[0]), &mode(modes[1])], [&[], &[]], || {});
        assert_eq!(why(&answer, &format!("COPY --chmod={} f /f", modes[1])), reason);
    }
    let heredoc = |text: &str| format!("FROM busybox\nCOPY <<EOF /h\n{text}\nEOF\n");
    let answer = rebuilt(&store, [&heredoc("one"), &heredoc("two")], [&[], &[]], || {});
    assert_eq!(why(&answer, "COPY <<EOF /h"), "heredoc `<<EOF` changed");
    let epoch = "FROM busybox\nWORKDIR /made\n";
    let times: [&[&str]; 2] = [&["--build-arg", "SOURCE_DATE_EPOCH=1"], &["--build-arg", "SOURCE_DATE_EPOCH=2"]];
    let answer = rebuilt(&store, [epoch, epoch], times, || {});
    assert_eq!(why(&answer, "WORKDIR /made"), "SOURCE_DATE_EPOCH was `1`, now `2`");
}

#[test]
fn results_that_are_gone_or_never_came_are_told_from_changes() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/f", "no");
    let failing = "RUN --mount=type=cache,target=/c test -e /c/go || { touch /c/go; exit 1; }";
    let text = format!("FROM busybox\nRUN echo 1 > /1\n{failing}\n");
    store.build_text(&text, &[]).fails(1);
    assert_eq!(why(&store.build(&[]).ok(), failing), "it failed the last time");
    for layer in std::fs::read_dir(store.root().join("layers")).unwrap().flatten() {
        if layer.path().join("1").exists() {
            std::fs::remove_dir_all(layer.path()).unwrap();
        }
    }
    assert_eq!(why(&store.build(&[]).ok(), "RUN echo 1 > /1"), "its layer is gone from the store");
}

#[test]
fn explain_tells_it_again() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/a", "1");
    let text = "FROM busybox\nCOPY a /a\nRUN cat /a\n";
    store.build_text(text, &["-t", "told"]).ok();
    store.write("ctx/a", "2");
    store.build(&["-t", "told"]).ok();
    store.build_text("FROM busybox\nRUN exit 3\n", &["-t", "broken"]).fails(1);
    let told = store.run(&["explain", "told"]).ok().stdout();
    assert!(told.contains("executed    [2/3] COPY a /a\n            file `a` changed\n"), "{told}");
    assert!(told.contains("a step before it changed: [2/3] COPY a /a"), "{told}");
    let last = store.run(&["explain", "--last"]).ok().stdout();
    assert!(last.contains("broken") && last.contains("failed      [2/2] RUN exit 3"), "{last}");
    let json = store.run(&["explain", "told", "--format", "json"]).ok().stdout();
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["steps"][1]["reasons"][0]["cause"], "files");
    assert_eq!(document["steps"][1]["reasons"][0]["changes"]["shown"][0]["path"], "a");
    store.run(&["explain", "busybox"]).fails(1);
    store.write("ctx/Dockerfile", text);
    store.build(&["-t", "told"]).ok();
    let last = store.run(&["explain"]).ok().stdout();
    assert!(last.starts_with("told:latest for ") && last.contains("cached      [3/3] RUN cat /a"), "{last}");
}

#[test]
fn a_checkout_elsewhere_is_compared_with_the_last_of_the_same_name() {
    let Some(store) = TestStore::with_busybox() else { return };
    let build = |folder: &str, content: &str| {
        store.write(&format!("{folder}/Dockerfile"), "FROM busybox\nCOPY f /f\n");
        store.write(&format!("{folder}/f"), content);
        store.run(&["build", "--progress", "plain", "-t", "team/app:1", folder]).ok()
    };
    build("one", "1");
    assert_eq!(why(&build("two", "2"), "COPY f /f"), "file `f` changed");
}

#[test]
fn a_step_that_failed_is_compared_by_what_is_known_of_it() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/f", "bad");
    let dockerfile = |command: &str| format!("FROM busybox\nARG V\nCOPY f /f\nRUN {command}\n");
    let command = "grep good /f && test \"$V\" = 2";
    store.build_text(&dockerfile("exit 1"), &[]).fails(1);
    let edited = store.build_text(&dockerfile(command), &[]).fails(1);
    assert_eq!(
        why(&edited, &format!("RUN {command}")),
        format!("instruction changed from `RUN exit 1` to `RUN {command}`")
    );
    store.write("ctx/f", "good");
    let other_file = store.build(&[]).fails(1);
    assert_eq!(why(&other_file, &format!("RUN {command}")), "a step before it changed: [2/3] COPY f /f");
    let other_argument = store.build(&["--build-arg", "V=2"]).ok();
    assert_eq!(why(&other_argument, &format!("RUN {command}")), "it failed the last time");
}

#[test]
fn a_step_that_was_interrupted_is_said_to_be_unfinished() {
    let Some(store) = TestStore::with_busybox() else { return };
    let command = "test -e /c/begun || { touch /c/begun; echo begun; sleep 98764; }";
    store.write("ctx/Dockerfile", format!("FROM busybox\nRUN --mount=type=cache,target=/c {command}\n"));
    let mut build = store.command(&["build", "--progress", "plain", "ctx"]);
    let mut child = build.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.ends_with(" begun\n") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut said, &mut line).unwrap(), 0, "it ended too early");
    }
    let process = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let again = store.build(&[]).ok();
    let step = format!("RUN --mount=type=cache,target=/c {command}");
    assert_eq!(why(&again, &step), "it was not finished the last time");
}
