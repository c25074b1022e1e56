//! BuildKit's rules about copied files, users and archives that few Dockerfiles rely on.

use std::time::{Duration, SystemTime};

use crate::common::TestStore;

/// The output of `stat -c FORMAT` for each path, in a stage with these instructions.
fn told(store: &TestStore, instructions: &str, format: &str, paths: &[&str]) -> Vec<String> {
    let question = format!("RUN stat -c 'TOLD %n {format}' {}\n", paths.join(" "));
    let answer = store.build_text(&format!("FROM busybox\n{instructions}{question}"), &["--no-cache"]).ok();
    let lines = answer.stderr();
    lines
        .lines()
        .filter_map(|line| Some(line.split_once(" TOLD ")?.1.to_owned()))
        .skip_while(|line| line.starts_with('%'))
        .collect()
}

#[test]
fn folders_that_a_copy_makes_follow_the_folder_above_and_take_the_time_of_their_source() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/top/file", "x");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567);
    std::fs::File::open(store.work().join("ctx/top")).unwrap().set_modified(time).unwrap();
    let instructions = "\
RUN mkdir /set /plain && chown 5:6 /set && chmod 2775 /set
COPY top /set/new
COPY --chown=7:8 top /set/given
COPY top /plain/
WORKDIR /set/work
";
    let lines = told(&store, instructions, "%u:%g %a %Y", &["/set/new", "/set/given", "/plain"]);
    assert_eq!(lines, ["/set/new 0:6 2755 1234567", "/set/given 7:8 2755 1234567", "/plain 0:0 755 1234567"]);
    let lines = told(&store, instructions, "%u:%g %a", &["/set/work", "/set/new/file"]);
    assert_eq!(lines, ["/set/work 0:6 2755", "/set/new/file 0:0 644"]);
}

#[test]
fn names_of_one_file_stay_that_within_a_source_but_not_across_sources() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/both/one", "x");
    std::fs::hard_link(store.work().join("ctx/both/one"), store.work().join("ctx/both/two")).unwrap();
    let instructions = "COPY both /folder/\nCOPY both/* /pattern/\nCOPY both/one both/two /named/\n";
    let paths = ["/folder/one", "/pattern/one", "/pattern/two", "/named/one", "/named/two"];
    let lines = told(&store, instructions, "%h", &paths);
    assert_eq!(lines, ["/folder/one 2", "/pattern/one 1", "/pattern/two 1", "/named/one 1", "/named/two 1"]);
}

#[test]
fn a_process_has_its_own_group_among_its_groups_and_a_root_folder_it_may_enter() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = "\
FROM busybox
RUN echo '12:x:3:4::/:/bin/sh' >> /etc/passwd && chmod 700 / && grep Groups /proc/self/status
USER 5:6
RUN grep Groups /proc/self/status && stat -c 'root %a' /
WORKDIR /tmp/work
USER 0
RUN rmdir /tmp/work
USER 12
RUN echo \"is $(id -u):$(id -g)\"
USER 0
RUN stat -c 'work %u:%g' /tmp/work
";
    let answer = store.build_text(dockerfile, &[]).ok().stderr();
    for expected in [" Groups:\t0", " Groups:\t6", " root 755", " is 12:0", " work 12:0"] {
        assert!(answer.contains(expected), "{expected:?} is not in {answer}");
    }
}

#[test]
fn what_an_archive_says_of_a_hard_link_holds_for_the_file_and_a_link_to_a_symlink_is_one() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut builder = tar::Builder::new(Vec::new());
    let mut append = |name: &str, kind: tar::EntryType, target: &str, mode: u32| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1000);
        header.set_size(0);
        if target.is_empty() {
            builder.append_data(&mut header, name, &b""[..]).unwrap();
        } else {
            builder.append_link(&mut header, name, target).unwrap();
        }
    };
    append("file", tar::EntryType::Regular, "", 0o644);
    append("again", tar::EntryType::Link, "file", 0o600);
    append("link", tar::EntryType::Symlink, "file", 0o777);
    append("link-again", tar::EntryType::Link, "link", 0o777);
    append("below", tar::EntryType::Link, "old", 0o640);
    store.write("ctx/files.tar", builder.into_inner().unwrap());
    let instructions = "RUN mkdir /x && echo old > /x/old\nADD files.tar /x/\n";
    let lines = told(&store, instructions, "%F %a %h", &["/x/file", "/x/link-again", "/x/old"]);
    let expected =
        ["/x/file regular empty file 600 2", "/x/link-again symbolic link 777 2", "/x/old regular file 640 2"];
    assert_eq!(lines, expected);
}

#[test]
fn sources_that_lead_nowhere_are_named() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/real/file", "x");
    std::os::unix::fs::symlink("gone", store.work().join("ctx/real/link")).unwrap();
    for (source, expected) in [
        ("missing/*", "`/missing`: not found in the build context"),
        ("[a", "syntax error in pattern `[a`"),
        ("real/link", "it is a link to `gone`, which is not there"),
        ("real/*", "`/real/link`: not found in the build context"),
        ("<<a/b", "the heredoc name `a/b` has a folder in it"),
    ] {
        let body = if source.starts_with("<<") { "text\na/b\n" } else { "" };
        let answer = store.build_text(&format!("FROM busybox\nCOPY {source} /x/\n{body}"), &[]).fails(1);
        assert!(answer.stderr().contains(expected), "{source}: {}", answer.stderr());
        assert!(answer.stderr().contains("Dockerfile:2"), "{}", answer.stderr());
    }
}

#[test]
fn folders_that_an_archive_does_not_list_are_roots() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o640);
    builder.append_data(&mut header, "not/listed/file", &b""[..]).unwrap();
    store.write("ctx/a.tar", builder.into_inner().unwrap());
    let text = "FROM busybox\nADD --chown=3:1 a.tar /f/\nRUN cd /f && echo $(stat -c %a-%u:%g . not not/listed not/listed/file)\n";
    let stderr = store.build_text(text, &[]).ok().stderr();
    assert!(stderr.contains("755-3:1 755-0:0 755-0:0 640-3:1"), "{stderr}");
}

#[test]
fn links_at_the_top_of_what_a_copy_stands_on_may_lead_nowhere() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = |base: &str| {
        format!("FROM busybox AS a\nRUN ln -s nowhere /top\nFROM {base}\nCOPY --from=a --exclude=none / /all/\n")
    };
    store.build_text(&text("a"), &[]).ok();
    let stderr = store.build_text(&text("busybox"), &[]).fails(1).stderr();
    assert!(stderr.contains("Dockerfile:4:30: "), "{stderr}");
}

#[test]
fn a_heredoc_with_a_program_of_its_own_is_a_script() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = "FROM busybox\nUSER 7\nRUN <<EOF\n#!/bin/cat\nsaid by cat\nEOF\n";
    let stderr = store.build_text(text, &[]).ok().stderr();
    assert!(stderr.contains("said by cat"), "{stderr}");
}

#[test]
fn a_pattern_without_a_match_needs_something_of_its_folder_to_be_taken() {
    let Some(store) = TestStore::with_busybox() else { return };
    for file in ["top", "d/a", "d/e/b", "gone/x"] {
        store.write(&format!("ctx/{file}"), file);
    }
    std::os::unix::fs::symlink("d", store.work().join("ctx/link")).unwrap();
    store.write("ctx/.dockerignore", "gone/*\n");
    let refused = [
        ("COPY d/*.none /x/", "/d"),
        ("COPY top/* /x/", "/top"),
        ("ADD d/e/*.none d/a /x/", "/d/e"),
        ("COPY link/*.none /x/", "/d"),
        ("COPY gone/* /x/", "/gone"),
        ("COPY d/e/../a/* /x/", "/d/a"),
        ("COPY --from=other d/*.none /x/\nCOPY --from=other d /y\nCOPY d /z", "/d"),
    ];
    let build = |instructions: &str| {
        store.build_text(&format!("FROM busybox\n{instructions}\n"), &["--build-context", "other=ctx"])
    };
    for (instructions, folder) in refused {
        let text = build(instructions).fails(1).stderr();
        let expected = format!("`{folder}`: not found in what is sent of the build context");
        assert!(text.contains(&expected) && text.contains("Dockerfile:2:"), "{instructions}: {text}");
    }
    let taken = [
        "COPY *.none [x]/y /x/",
        "COPY d/*.none d/e /x/",
        "COPY top/* /x/\nCOPY top /y",
        "COPY top/* t?p /x/",
        "COPY d/*.none /x/\nRUN --mount=source=d/e,target=/m true",
        "COPY d/*.none /x/\nRUN --mount=target=/m true",
        "COPY link/*.none d/?/b /x/",
        "COPY --from=other d/*.none d/a /x/",
        "COPY --parents d/*.none /x/",
    ];
    for instructions in taken {
        build(instructions).ok();
    }
    let of_a_stage = "FROM busybox AS s\nRUN mkdir /d\nFROM busybox\nCOPY --from=s /d/*.none /x/\n";
    store.build_text(of_a_stage, &[]).ok();
}
