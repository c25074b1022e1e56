//! `RUN --mount`: what distinguishes caches, what part of a bind matters, and defaults.

use crate::common::{Answer, TestStore};

/// The output of the steps after `mark`.
fn said(answer: &Answer, mark: &str) -> Vec<String> {
    let text = answer.stderr();
    let lines = text.lines().filter_map(|line| line.split_once(mark).map(|(_, rest)| rest.trim().to_owned()));
    lines.filter(|line| !line.contains('$')).collect()
}

#[test]
fn a_stage_that_is_made_again_with_the_same_files_leaves_who_mounts_them_cached() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox AS made
COPY in /in
RUN cat /in && mkdir /out && echo same > /out/file
FROM busybox
RUN --mount=from=made,source=/out,target=/m cat /m/file > /got
RUN --mount=from=made,target=/m cat /m/in
";
    store.write("ctx/in", "one\n");
    store.build_text(dockerfile, &[]).ok();
    store.write("ctx/in", "two\n");
    let second = store.build(&[]).ok();
    assert_eq!(
        second.executed(),
        [
            "COPY in /in",
            "RUN cat /in && mkdir /out && echo same > /out/file",
            "RUN --mount=from=made,target=/m cat /m/in"
        ]
    );
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
}

#[test]
fn a_cache_with_another_mode_or_owner_is_another_cache_and_begins_anew_without_the_cache_of_steps() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN --mount=type=cache,id=c,target=/c,mode=0700 echo A: $(ls /c) $(stat -c %a:%u /c) && touch /c/a
RUN --mount=type=cache,id=c,target=/c,uid=5,mode=01770 echo B: $(ls /c) $(stat -c %a:%u /c) && touch /c/b
RUN --mount=type=cache,id=c,target=/c echo C: $(ls /c) $(stat -c %a:%u /c) && touch /c/c
RUN --mount=type=cache,id=c,target=/c,mode=0700 echo D: $(ls /c)
";
    let mut answers = vec![store.build_text(dockerfile, &["--no-cache"]).ok()];
    answers.push(store.build(&["--no-cache"]).ok());
    for (answer, plain) in answers.iter().zip(["755:0", "c 755:0"]) {
        let of = |mark: &str| said(answer, mark);
        assert_eq!([of("A:"), of("B:"), of("C:"), of("D:")].concat(), ["700:0", "770:5", plain, "a"]);
    }
}

#[test]
fn a_cache_without_an_id_is_known_by_its_target_as_it_is_written() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
WORKDIR /a
RUN --mount=type=cache,target=./cache touch cache/x
WORKDIR /b
RUN --mount=type=cache,target=cache echo FOUND: $(ls cache)
";
    assert_eq!(said(&store.build_text(dockerfile, &[]).ok(), "FOUND:"), ["x"]);
}

#[test]
fn a_secret_or_an_agent_that_nobody_gave_is_a_variable_that_leads_to_nothing() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
ENV TOKEN=own
RUN --mount=type=secret,id=none,env=TOKEN --mount=type=secret,id=has,env=HAS echo T: [${TOKEN-unset}] $HAS
RUN --mount=type=ssh,target=/agent --mount=type=ssh,id=x echo S: ${SSH_AUTH_SOCK-unset} $(ls /agent 2>&1 | wc -l)
ENV SSH_AUTH_SOCK=/mine
RUN --mount=type=ssh echo S: ${SSH_AUTH_SOCK-unset}
";
    store.write("has", "value");
    let file = store.work().join("has");
    let secret = format!("id=has,src={}", file.display());
    let answer = store.build_text(dockerfile, &["--secret", &secret]).ok();
    assert_eq!(said(&answer, "T:"), ["[] value"]);
    assert_eq!(said(&answer, "S:"), ["/agent 1", "/mine"]);
}

#[test]
fn the_source_of_a_bind_is_a_path_and_may_lead_through_links() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/sub/file", "found\n");
    store.write("ctx/[a]/file", "found\n");
    std::os::unix::fs::symlink("sub", store.work().join("ctx/link")).unwrap();
    std::os::unix::fs::symlink("nowhere", store.work().join("ctx/dangling")).unwrap();
    for (source, seen) in [
        (".", "/m/sub/file"),
        ("./", "/m/sub/file"),
        ("/", "/m/sub/file"),
        ("gone/..", "/m/sub/file"),
        ("sub/.", "/m/file"),
        ("gone/../sub/", "/m/file"),
        ("link", "/m/file"),
        ("link/file", "/m"),
        ("[a]", "/m/file"),
    ] {
        let text = format!("FROM busybox\nRUN --mount=source={source},target=/m grep found {seen}\n");
        store.build_text(&text, &[]).ok();
    }
}

/// As mounted by BuildKit, whatever its mode.
#[test]
fn a_secret_is_no_program() {
    let Some(store) = TestStore::with_busybox() else { return };
    let script = store.write("script", "#!/bin/sh\necho executed\n");
    let dockerfile = "\
FROM busybox
RUN --mount=type=secret,id=script,mode=0755,target=/s ! /s && grep -q ' /s .*nosuid.*noexec' /proc/mounts && echo N: $(cat /s | wc -l)
";
    let secret = format!("id=script,src={}", script.display());
    assert_eq!(said(&store.build_text(dockerfile, &["--secret", &secret]).ok(), "N:"), ["2"]);
}
