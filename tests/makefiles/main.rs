//! Typical Makefiles, for docker and for rbuild: each of their lines does the same with rbuild as with docker 28.5.2.
//! Docker's behaviour is in `expected` beside each, as written by `recorder`: the line, its output, whether it printed
//! anything on standard error, and its exit code. `differences.tsv` has the lines that differ, with the reason.

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/web.rs"]
mod web;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{TestStore, free_port, has_programs, is_root, skip};
use registry::TestRegistry;

/// The name of a link to rbuild, which is docker's.
const LINK: &str = "docker";

#[test]
fn application() {
    check("application", LINK, "");
}

#[test]
fn artefacts() {
    check("artefacts", "rbuild", "");
}

#[test]
fn services() {
    check("services", "rbuild", "");
}

#[test]
fn cleaning() {
    check("cleaning", "rbuild", "");
}

#[test]
fn release() {
    let registry = TestRegistry::start();
    let name = registry.name("x");
    check("release", LINK, name.split('/').next().unwrap());
}

#[test]
fn shell() {
    check("shell", LINK, "");
}

#[test]
fn volumes() {
    check("volumes", "rbuild", "");
}

/// Runs the Makefile with that name, with rbuild under the name of `program`, and reports all lines that differ.
fn check(name: &str, program: &str, registry: &str) {
    if !is_root() || !has_programs(&["make", "bash", "git", "tar", "gzip", "flock"]) {
        return skip("needs root, make, bash, git, tar, gzip and flock");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/makefiles");
    let folder = store.work().join(name);
    copy(&here.join(name), &folder);
    let programs = store.work().join("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_rbuild"), programs.join(program)).unwrap();
    let record = store.work().join("record");
    let path = std::env::var("PATH").unwrap();
    let mut make = Command::new("make");
    make.arg(format!("SHELL={}", here.join("recorder").display())).arg(format!("DOCKER={program}"));
    make.args(["-k", &format!("PORT={}", free_port()), "all"]).current_dir(&folder).stdin(Stdio::null());
    make.env("RBUILD_ROOT", store.root()).env("RBUILD_REGISTRY_PAUSE_MS", "1").env("HOME", store.work());
    make.env("PATH", format!("{}:{path}", programs.display())).env("RECORD", &record).env("DOCKER_WORDS", program);
    // `-e CI` passes on a variable that is not set in `expected`, but is set by CI.
    for variable in ["CI", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "BUILDX_BUILDER", "MAKEFLAGS", "MAKELEVEL"]
    {
        make.env_remove(variable);
    }
    if !registry.is_empty() {
        make.env("REGISTRY", registry);
    }
    let output = make.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let (found, expected) = (read(&record), read(&here.join(name).join("expected")));
    let (found, expected) = (lines(&found), lines(&expected));
    let differences = read(&here.join("differences.tsv"));
    let known: Vec<&str> = differences
        .lines()
        .filter_map(|row| row.split_once('\t').filter(|(makefile, _)| *makefile == name)?.1.split('\t').next())
        .collect();
    let wrong: Vec<String> = expected
        .iter()
        .enumerate()
        .filter(|(index, line)| found.get(*index) != Some(line))
        .filter(|(_, line)| !known.iter().any(|known| line.starts_with(&format!("$ {known}"))))
        .map(|(index, line)| format!("docker:\n{line}rbuild:\n{}", found.get(index).copied().unwrap_or_default()))
        .collect();
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}\n{said}", wrong.len(), expected.len(), wrong.join("\n"));
    assert_eq!((found.len(), output.status.code()), (expected.len(), Some(0)), "{said}");
}

/// The lines that were run, each with its behaviour.
fn lines(record: &str) -> Vec<&str> {
    let begins = record.match_indices("$ ").map(|(place, _)| place);
    let begins: Vec<usize> = begins.filter(|place| *place == 0 || record.as_bytes()[place - 1] == b'\n').collect();
    let ends = begins.iter().skip(1).copied().chain([record.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &record[*begin..end]).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "expected") {
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(std::fs::copy(entry.path(), place).unwrap()),
        }
    }
}
