//! The word that an error is about is marked, wherever else in the file the same text occurs.

use crate::common::TestStore;

/// The line in the heading, and the line and text that are marked; `-` if whole lines are marked.
fn marked(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.split("error: ").last().unwrap_or_default().lines().collect();
    let heading = lines.iter().find_map(|line| line.split_once("Dockerfile:"));
    let first = heading.and_then(|(_, rest)| rest.split(':').next()).unwrap_or_default();
    let is_mark = |line: &&&str| line.trim_start().starts_with("| ") && line.contains('^');
    let Some(mark) = lines.iter().find(is_mark) else { return format!("{first} -") };
    let above = lines[lines.iter().position(|line| line == mark).unwrap() - 1];
    let number = above.split('|').next().unwrap_or_default().trim();
    let (start, end) = (mark.find('^').unwrap(), mark.rfind('^').unwrap());
    let text: String = above.chars().skip(start).take(end - start + 1).collect();
    format!("{first} {number}:{text}")
}

fn assert_marked(store: &TestStore, cases: &[(&str, &str)]) {
    for (dockerfile, wanted) in cases {
        let answer = store.build_text(dockerfile, &[]).fails(1);
        assert_eq!(marked(&answer.stderr()), *wanted, "{dockerfile}\n{}", answer.stderr());
    }
}

#[test]
fn of_words_that_are_the_same_the_wrong_one_is_marked() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/here", "");
    store.write("ctx/folder/inner", "");
    assert_marked(
        &store,
        &[
            // The flag and the destination contain the word, too.
            ("FROM busybox\nCOPY --exclude=gone here gone /gone/\n", "2 2:gone"),
            ("FROM busybox\nCOPY here /gone\nCOPY \\\n  here \\\n# gone\n  gone /x/\n", "3 6:gone"),
            ("FROM busybox\nENV A=${X-no} B=${X?no} C=${X?no}\n", "2 2:${X?no}"),
            ("FROM busybox\nENV A=${X-no} \\\n  B=\"b ${X?no}\"\n", "2 3:\"b ${X?no}\""),
            ("FROM busybox\nARG B A=${X?A}\n", "2 2:${X?A}"),
            ("ARG A=b B=${X?b}\nFROM busybox\n", "1 1:${X?b}"),
            ("FROM busybox\nLABEL no=no no2=${no?no}\n", "2 2:${no?no}"),
            ("FROM busybox\nEXPOSE 80 90/x 80/x\n", "2 2:80/x"),
            ("FROM busybox\nVOLUME [\"/a\", \"$E\", \"/E\"]\n", "2 2:\"$E\""),
            ("FROM busybox\nVOLUME /a /b $E\n", "2 2:$E"),
            ("FROM busybox\nSTOPSIGNAL SIGNAL\n", "2 2:SIGNAL"),
            ("FROM busybox\nCOPY --chmod=here here /here\n", "2 2:--chmod=here"),
            ("FROM busybox\nCOPY --from=9 9 /9\n", "2 2:--from=9"),
            (
                "FROM busybox\nCOPY here folder /\nCOPY here /folder/\nCOPY here /inner/\nCOPY folder/inner /etc\nRUN --network=host true\n",
                "6 6:--network=host",
            ),
            ("FROM busybox\nCOPY here /etc/passwd/\n", "2 2:/etc/passwd/"),
            ("FROM --platform=busybox busybox\n", "1 1:--platform=busybox"),
            ("FROM busybox AS a\nFROM a-b-c@x\n", "2 2:a-b-c@x"),
        ],
    );
}

#[test]
fn the_mount_that_fails_is_marked() {
    let Some(store) = TestStore::with_busybox() else { return };
    assert_marked(
        &store,
        &[
            (
                "FROM busybox\nRUN --mount=type=secret,id=a --mount=type=secret,id=a,required \\\n  --network=none true\n",
                "2 2:--mount=type=secret,id=a,required",
            ),
            (
                "FROM busybox\nRUN --mount=type=tmpfs,target=/a --mount=target=/a,source=gone true\n",
                "2 2:--mount=target=/a,source=gone",
            ),
            ("FROM busybox\nRUN --mount=target=/a --mount=target=$a true\n", "2 2:--mount=target=$a"),
            ("FROM busybox\nRUN --mount=target=/a --mount=target=/b,uid=$a true\n", "2 2:--mount=target=/b,uid=$a"),
            (
                "FROM busybox AS a\nRUN --mount=from=b,target=/b true\nFROM a AS b\nRUN true\n",
                "2 2:--mount=from=b,target=/b",
            ),
        ],
    );
}

#[test]
fn programs_of_their_own_and_whole_commands_are_marked() {
    let Some(store) = TestStore::with_busybox() else { return };
    assert_marked(
        &store,
        &[
            ("FROM busybox\nRUN [\"/x\", \"/x\"]\n", "2 2:\"/x\""),
            ("FROM busybox\n  RUN exit 3\n", "2 2:RUN exit 3"),
            ("FROM busybox\nRUN true && \\\n  exit 3\n", "2 -"),
        ],
    );
}

#[test]
fn places_are_those_of_the_file_as_it_is() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/here", "");
    assert_marked(
        &store,
        &[
            ("FROM busybox\r\nCOPY \\\r\n\there \\\r\n\t gone /x/\r\n", "2 4:gone"),
            ("\u{feff}FROM busybox:${x?y}\n", "1 1:busybox:${x?y}"),
            ("# escape=`\nFROM busybox\nCOPY here `\n  gone /x/\n", "3 4:gone"),
            ("FROM busybox\nCOPY \\\n\n  here \\\n\n gone \\\n /x/\n", "2 6:gone"),
            // Bodies of heredocs, for `<<-` without the tabs.
            ("FROM busybox\nCOPY <<EOF /x\none ${x-$y}\ntwo ${x?${x-no}}!\nEOF\n", "2 4:${x?${x-no}}"),
            ("FROM busybox\nCOPY <<A <<-B /x/\na\nA\n\t\tb ${x?no}\n\tB\n", "2 5:${x?no}"),
        ],
    );
}

#[test]
fn a_mark_stands_below_wide_characters() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/漢字", "");
    let stderr = store.build_text("FROM busybox\nCOPY 漢字 gone /x/\n", &[]).fails(1).stderr();
    assert!(stderr.contains("Dockerfile:2:9: "), "{stderr}");
    assert!(stderr.contains("\n  2 | COPY 漢字 gone /x/\n    |           ^^^^\n"), "{stderr}");
}

#[test]
fn a_trigger_has_no_place_but_that_of_its_from() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nONBUILD COPY busybox /x\n", &["-t", "triggering"]).ok();
    let stderr = store.build_text("FROM busybox AS busybox\nFROM triggering\n", &[]).fails(1).stderr();
    assert_eq!(marked(&stderr), "2 2:FROM triggering", "{stderr}");
}

#[test]
fn a_check_marks_the_same_word() {
    let store = TestStore::empty();
    store.write("ctx/Dockerfile", "FROM scratch\nEXPOSE 80 \\\n  90/x\n");
    let stderr = store.build(&["--check"]).fails(1).stderr();
    assert_eq!(marked(&stderr), "2 3:90/x", "{stderr}");
    store.write("ctx/Dockerfile", "FROM scratch\nENV A=b C=${X?no}\n");
    let stderr = store.build(&["--check"]).fails(1).stderr();
    assert_eq!(marked(&stderr), "2 2:${X?no}", "{stderr}");
}

#[test]
fn what_a_stage_names_that_is_not_needed_has_to_be_a_name() {
    let Some(store) = TestStore::with_busybox() else { return };
    let cases = [
        ("FROM busybox AS A\nFROM A AS b\nFROM busybox\n", "2 2:A"),
        ("FROM busybox AS a\nCOPY --from=x@y /a /a\nFROM busybox\n", "2 2:--from=x@y"),
    ];
    assert_marked(&store, &cases);
    store.build_text("FROM nowhere AS a\nCOPY --from=gone /a /a\nFROM busybox\n", &[]).ok();
}
