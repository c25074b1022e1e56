//! Which stages are built, in which order, and what is passed between them.

use crate::common::TestStore;

const THREE: &str = "\
FROM busybox AS first
RUN echo first > /f
FROM busybox AS unneeded
RUN echo never && false
FROM first AS second
RUN echo second >> /f
FROM scratch
COPY --from=second /f /second
COPY --from=0 /f /first
";

#[test]
fn stages_that_the_target_does_not_need_do_not_run() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", THREE);
    let folder = store.root_filesystem(&[]);
    assert_eq!(std::fs::read_to_string(folder.join("second")).unwrap(), "first\nsecond\n");
    assert_eq!(std::fs::read_to_string(folder.join("first")).unwrap(), "first\n");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[test]
fn a_target_is_named_in_any_case() {
    let Some(store) = TestStore::with_busybox() else { return };
    assert_eq!(store.build_text(THREE, &["--target", "first"]).ok().executed(), ["RUN echo first > /f"]);
    assert_eq!(store.build(&["--target", "FIRST"]).ok().executed(), [""; 0]);
    assert_eq!(store.build(&["--target", "second"]).ok().executed(), ["RUN echo second >> /f"]);
    store.build(&["--target", "unneeded"]).fails(1);
}

#[test]
fn the_same_step_in_two_stages_runs_once() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox AS one
RUN --mount=type=cache,target=/count echo ran >> /count/log
RUN echo one > /name
FROM busybox AS two
RUN --mount=type=cache,target=/count echo ran >> /count/log
RUN echo two > /name
FROM busybox
COPY --from=one /name /one
COPY --from=two /name /two
RUN --mount=type=cache,target=/count cp /count/log /log
";
    store.write("ctx/Dockerfile", dockerfile);
    let folder = store.root_filesystem(&[]);
    assert_eq!(std::fs::read_to_string(folder.join("log")).unwrap(), "ran\n");
}

/// Each stage waits for the other one's file in a shared cache: sequentially they would never end.
#[test]
fn independent_stages_run_at_the_same_time() {
    let Some(store) = TestStore::with_busybox() else { return };
    let meet = |own: &str, other: &str| {
        format!(
            "FROM busybox AS {own}\n\
             RUN --mount=type=cache,target=/meet touch /meet/{own}; \
             for i in $(seq 1200); do [ -e /meet/{other} ] && touch /met && exit 0; sleep 0.1; done; exit 1\n"
        )
    };
    let dockerfile = format!(
        "{}{}FROM scratch\nCOPY --from=left /met /left\nCOPY --from=right /met /right\n",
        meet("left", "right"),
        meet("right", "left")
    );
    store.build_text(&dockerfile, &[]).ok();
}

#[test]
fn a_failing_stage_stops_the_others() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox AS slow
RUN sleep 600
FROM busybox AS failing
RUN exit 7
FROM busybox
COPY --from=slow / /
COPY --from=failing / /
";
    let answer = store.build_text(dockerfile, &[]).fails(1);
    assert!(answer.stderr().contains("exit code: 7"), "{}", answer.stderr());
}

#[test]
fn copy_from_an_image_takes_its_files() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY --from=busybox /bin/busybox /sh\n");
    let folder = store.root_filesystem(&[]);
    assert!(std::fs::metadata(folder.join("sh")).unwrap().len() > 100_000);
}

#[test]
fn a_stage_takes_config_and_files_of_the_stage_it_is_from() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "FROM busybox AS base\nENV GREETING=hello\nWORKDIR /here\nFROM base\nRUN echo $GREETING > word\n";
    store.write("ctx/Dockerfile", dockerfile);
    let folder = store.root_filesystem(&[]);
    assert_eq!(std::fs::read_to_string(folder.join("here/word")).unwrap(), "hello\n");
}
