//! Git repositories of all kinds: with SHA-256, with large files, with `.git` kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Answer, TestStore, has_programs, skip};
use crate::git_http::backend;
use crate::web::serve;

/// Runs the script in a new folder whose repositories are then served; returns the folder and the address.
fn served(store: &TestStore, script: &str) -> Option<(PathBuf, String)> {
    if !has_programs(&["git"]) {
        skip("git is not here");
        return None;
    }
    let root = store.work().join("git");
    std::fs::create_dir(&root).unwrap();
    if !in_folder(&root, script) {
        skip("git cannot make such a repository here");
        return None;
    }
    let served = root.clone();
    Some((root, serve(move |request| backend(&served, request))))
}

fn in_folder(folder: &Path, script: &str) -> bool {
    let settings = "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t \
                    GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid";
    let script = format!("set -e\n{settings}\n{script}");
    Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap().status.success()
}

/// All regular files below the folder, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let regular = entries.filter(|entry| entry.file_type().is_file());
    let read = |entry: walkdir::DirEntry| {
        (entry.path().strip_prefix(folder).unwrap().to_owned(), std::fs::read(entry.path()).unwrap())
    };
    regular.map(read).collect()
}

#[test]
fn a_repository_with_sha256_is_a_context_and_a_source() {
    let Some(store) = TestStore::with_busybox() else { return };
    let script = "git init -q --object-format=sha256 w && cd w && git symbolic-ref HEAD refs/heads/main
printf 'FROM busybox\\nCOPY file /file\\nRUN cat /file\\n' > Dockerfile && echo sha256 > file
git add -A && git commit -q -m 1 && git tag v1 && git tag -a -m v2 v2 && mkdir sub && echo in > sub/inner
git add -A && git commit -q -m 2 && git rev-parse v1 > ../commit
cd .. && git clone -q --bare w r.git && git -C r.git symbolic-ref HEAD refs/heads/main";
    let Some((root, address)) = served(&store, script) else { return };
    let commit = std::fs::read_to_string(root.join("commit")).unwrap().trim().to_owned();
    assert_eq!(commit.len(), 64);
    let url = format!("http://{address}/r.git");
    let context = |suffix: &str| store.run(&["build", "--no-cache", &format!("{url}{suffix}")]);
    for suffix in ["", "#main", "#v1", "#v2", &format!("#{commit}"), &format!("?checksum={commit}&ref=v1")] {
        let stderr = context(suffix).ok().stderr();
        assert!(stderr.contains("sha256"), "{suffix}: {stderr}");
    }
    context(&format!("?ref=main&checksum={commit}")).fails(1);
    let text = format!(
        "FROM busybox\nADD {url}#main:sub /sub/\nADD --keep-git-dir --checksum={commit} {url}#v1 /all/\n\
         RUN cat /sub/inner /all/file /all/.git/HEAD && grep objectformat /all/.git/config\n"
    );
    let stderr = store.build_text(&text, &[]).ok().stderr();
    assert!(stderr.contains(&commit) && stderr.contains("objectformat = sha256"), "{stderr}");
}

const LARGE: &str = "git init -q w && cd w && git symbolic-ref HEAD refs/heads/main
printf '*.big filter=lfs\\n' > .gitattributes && echo small > small
printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 12\\n' 1 > x.big && cp x.big y.big
git add -A && git commit -q -m 1 && cd .. && git clone -q --bare w r.git && git -C r.git symbolic-ref HEAD refs/heads/main";

#[test]
fn large_files_are_fetched_where_git_lfs_is_installed() {
    let Some(store) = TestStore::with_busybox() else { return };
    let Some((root, address)) = served(&store, LARGE) else { return };
    let bin = root.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let fake = |pulled: &str| {
        let text = format!("#!/bin/sh\ncase \"$1\" in version) echo fake ;; pull) {pulled} ;; *) exit 1 ;; esac\n");
        std::fs::write(bin.join("git-lfs"), text).unwrap();
        crate::common::must_run("chmod", &["755", bin.join("git-lfs").to_str().unwrap()]);
    };
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let text = format!("FROM busybox\nADD http://{address}/r.git /r/\nRUN cat /r/small /r/x.big /r/y.big\n");
    let build = || {
        store.write("ctx/Dockerfile", &text);
        let mut command = store.command(&["build", "--progress", "plain", "--no-cache", "ctx"]);
        command.env("PATH", &path).current_dir(store.work());
        Answer::of(command)
    };
    fake("exit 3");
    build().fails(1);
    // A file that it does not provide is reported.
    fake("echo large > x.big");
    let stderr = build().fails(1).stderr();
    assert!(stderr.contains("git LFS") && stderr.contains("y.big") && !stderr.contains("x.big"), "{stderr}");
    fake("for f in *.big; do echo \"large $f\" > $f; done");
    let stderr = build().ok().stderr();
    assert!(stderr.contains("large x.big") && stderr.contains("large y.big") && stderr.contains("small"), "{stderr}");
}

#[test]
fn pointers_of_large_files_are_named_where_nothing_fetches_them() {
    let Some(store) = TestStore::with_busybox() else { return };
    let Some((root, address)) = served(&store, LARGE) else { return };
    // A PATH with only git.
    let bin = root.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|path| path.is_file()).unwrap();
    std::os::unix::fs::symlink(git, bin.join("git")).unwrap();
    let text = format!("FROM scratch\nADD http://{address}/r.git /r/\n");
    store.write("ctx/Dockerfile", &text);
    let mut command = store.command(&["build", "--progress", "plain", "ctx"]);
    command.env("PATH", &bin).current_dir(store.work());
    let stderr = Answer::of(command).fails(1).stderr();
    if stderr.contains("lfs") && stderr.contains("version") {
        return skip("git has an LFS of its own");
    }
    assert!(stderr.contains("Dockerfile:2:5: ") && stderr.contains("x.big, y.big"), "{stderr}");
}

#[test]
fn a_kept_git_folder_is_the_same_whenever_it_is_fetched() {
    let (Some(store), Some(other)) = (TestStore::with_busybox(), TestStore::with_busybox()) else { return };
    let script = "git init -q w && cd w && git symbolic-ref HEAD refs/heads/main
for i in 1 2 3 4 5; do echo $i > file$i && mkdir -p sub && echo $i > sub/s$i && git add -A && git commit -q -m $i; done
git tag v1 && cd .. && git clone -q --bare w r.git && git -C r.git symbolic-ref HEAD refs/heads/main";
    let Some((root, address)) = served(&store, script) else { return };
    let text = format!("FROM scratch\nADD --keep-git-dir http://{address}/r.git#v1 /\n");
    store.build_text(&text, &[]).ok();
    let first = files(&store.root_filesystem(&[]));
    // Packed differently, with another branch, by another user of another store, later.
    let later = "git -C w checkout -q -b more && echo more > w/more && git -C w add -A && git -C w commit -q -m more
git -C w push -q ../r.git more && git -C r.git gc -q --aggressive --prune=now";
    assert!(in_folder(&root, later));
    other.build_text(&text, &[]).ok();
    let second = files(&other.root_filesystem(&[]));
    assert!(first.keys().any(|path| path.starts_with(".git/objects/pack")), "{:?}", first.keys());
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (path, bytes) in &first {
        assert!(second[path] == *bytes, "{} differs", path.display());
    }
    let again = store.build_text(&text, &["--no-cache"]).ok();
    assert!(again.stderr().contains("ADD --keep-git-dir"), "{}", again.stderr());
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
    // A folder of the repository has none, whatever the flag says.
    let folder = format!("FROM scratch\nADD --keep-git-dir http://{address}/r.git#v1:sub /\n");
    store.build_text(&folder, &[]).ok();
    let names: Vec<String> = files(&store.root_filesystem(&[])).keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["s1", "s2", "s3", "s4", "s5"]);
}

#[test]
fn what_git_is_told_is_shown_to_whoever_asks() {
    let Some(store) = TestStore::with_busybox() else { return };
    let script = "git init -q w && cd w && git symbolic-ref HEAD refs/heads/main
printf 'FROM scratch\\nCOPY . /\\n' > Dockerfile && git add -A && git commit -q -m 1 && cd .. && git clone -q --bare w r.git
git -C r.git symbolic-ref HEAD refs/heads/main";
    let Some((_, address)) = served(&store, script) else { return };
    let url = format!("http://{address}/r.git");
    let text = format!("FROM scratch\nADD {url} /\n");
    let debug = ["--no-cache", "--build-arg", "BUILDKIT_GIT_DEBUG_COMMANDS=1"];
    let stderr = store.build_text(&text, &debug).ok().stderr();
    assert!(stderr.contains(&format!("git commands for {url}\n")) && stderr.contains(" fetch --quiet "), "{stderr}");
    let plain = store.build_text(&text, &["--no-cache"]).ok().stderr();
    assert!(!plain.contains("git commands for"), "{plain}");
    let stderr = store.run(&[&["build"], &debug[..], &[&url]].concat()).ok().stderr();
    assert!(stderr.contains(" fetch --quiet "), "{stderr}");
    // Also for a build that fails.
    let stderr = store.build_text(&format!("FROM scratch\nADD {url}#gone /\n"), &debug).fails(1).stderr();
    assert!(stderr.contains(" ls-remote "), "{stderr}");
}
