//! Errors for invalid input: the location, the excerpt, the fault, the closest valid name. The golden file has all of
//! them; `RBUILD_BLESS=1` rewrites it.

use crate::common::TestStore;
use crate::common::support::assert_golden;

/// A name, the Dockerfile, the build's arguments.
const CASES: [(&str, &str, &[&str]); 22] = [
    ("unknown instruction", "FROM busybox\n\nCOPPY a b\n", &[]),
    ("unknown flag", "FROM busybox\nCOPY --chwon=1 a b\n", &[]),
    ("unterminated quote", "FROM busybox\nENV A=\"b\n", &[]),
    ("no FROM", "RUN true\n", &[]),
    ("empty file", "", &[]),
    ("only comments", "# nothing\n", &[]),
    ("missing file", "FROM busybox\nRUN true\nCOPY absent.txt /there\n", &[]),
    ("missing file, one alike", "FROM busybox\nCOPY --chown=1:1 \\\n  sourse.txt /there\n", &[]),
    ("ignored file", "FROM busybox\nCOPY ignored.txt /there\n", &[]),
    ("failing RUN", "FROM busybox\nRUN echo said; \\\n    echo complained >&2; \\\n    exit 7\n", &[]),
    ("killed RUN", "FROM busybox\nRUN sh -c 'kill -9 $$; :'; exit $?\n", &[]),
    ("missing program", "FROM busybox\nRUN [\"/no/such/program\", \"x\"]\n", &[]),
    ("unknown target", "FROM busybox AS builder\nFROM busybox AS final\n", &["--target", "bilder"]),
    ("unknown stage in COPY", "FROM busybox AS builder\nFROM busybox\nCOPY --from=9 /a /b\n", &[]),
    ("circular stages", "FROM busybox AS one\nCOPY --from=one /a /b\n", &[]),
    ("missing base", "FROM 127.0.0.1:1/absent:2\n", &[]),
    ("unknown user", "FROM busybox\nUSER nobody-here\nRUN true\n", &[]),
    ("missing base, one alike here", "FROM 127.0.0.1:1/tolls:1\n", &[]),
    ("variable of a base without value", "FROM busybox:${TAG}\n", &[]),
    ("base without value", "ARG BASE\nFROM ${BASE}\n", &[]),
    ("UTF-16", "F\0R\0O\0M\0 \0a\0", &[]),
    ("variable without value", "FROM busybox\nRUN true\nENV A=${MISSING:?unset}\n", &[]),
];

/// Without anything that differs between runs or machines.
fn without_chance(text: &str, store: &TestStore) -> String {
    let root = store.root().display().to_string();
    let is_kept = |line: &&str| !line.starts_with('#') && !line.starts_with("warning: ") && !line.is_empty();
    let kept = text.lines().filter(is_kept);
    kept.map(|line| line.replace(&root, "STORE")).collect::<Vec<_>>().join("\n")
}

#[test]
fn errors_show_the_place_and_what_to_do() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.run(&["tag", "busybox", "127.0.0.1:1/tools:1"]).ok();
    store.write("ctx/source.txt", "");
    store.write("ctx/ignored.txt", "");
    store.write("ctx/.dockerignore", "ignored.txt\n");
    let mut found = String::new();
    for (name, dockerfile, arguments) in CASES {
        let answer = store.build_text(dockerfile, arguments).fails(1);
        found += &format!("== {name}\n{}\n\n", without_chance(&answer.stderr(), &store));
    }
    assert_golden("build_errors.txt", &found, "== ");
}

#[test]
fn a_failing_run_leaves_earlier_steps_cached() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nRUN echo fine > /fine\nRUN exit 1\n", &[]).fails(1);
    let answer = store.build_text("FROM busybox\nRUN echo fine > /fine\nRUN exit 0\n", &[]).ok();
    assert_eq!(answer.cached(), ["RUN echo fine > /fine"]);
}

#[test]
fn a_missing_context_is_named() {
    let store = TestStore::empty();
    let answer = store.run(&["build", "no/such/folder"]).fails(1);
    assert!(answer.stderr().contains("no/such/folder"), "{}", answer.stderr());
}

#[test]
fn a_missing_dockerfile_is_named() {
    let store = TestStore::empty();
    std::fs::create_dir(store.work().join("ctx")).unwrap();
    assert!(store.build(&[]).fails(1).stderr().contains("Dockerfile"));
    assert!(store.build(&["-f", "ctx/Other"]).fails(1).stderr().contains("Other"));
}
