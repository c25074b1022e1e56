//! Names of commands: docker's, buildx's, and invalid ones.

use std::path::Path;

use super::common::{Answer, TestStore};

/// rbuild reports docker's name when it is called by it.
#[test]
fn a_link_called_docker_is_called_so() {
    let store = TestStore::empty();
    let link = store.work().join("docker");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &link).unwrap();
    let say = |words: &[&str]| {
        let output = std::process::Command::new(&link).args(words).env("RBUILD_ROOT", store.root()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    assert!(say(&["run"]).contains("'docker run' requires at least 1 argument"));
    assert!(say(&["ps", "--nope"]).contains("Run 'docker ps --help' for more information"));
    assert!(say(&["--help"]).contains("Usage: docker"));
    let version = say(&["--version"]);
    assert!(version.starts_with("Docker version ") && version.contains("rbuild"), "{version}");
}

#[test]
fn the_environment_means_this_engine_or_is_refused() {
    let store = TestStore::empty();
    let code = |variable: (&str, &str), words: &[&str]| super::run(&store, words, &[variable]).code();
    for (name, value, wanted) in [
        ("DOCKER_HOST", "tcp://10.0.0.1:2375", 1),
        ("DOCKER_HOST", "ssh://user@host", 1),
        ("DOCKER_HOST", "unix:///var/run/docker.sock", 0),
        ("DOCKER_HOST", "", 0),
        ("DOCKER_CONTEXT", "desktop-linux", 1),
        ("DOCKER_CONTEXT", "default", 0),
    ] {
        assert_eq!(code((name, value), &["ps"]), Some(wanted), "{name}={value}");
        assert_eq!(code((name, value), &["context", "ls"]), Some(0), "{name}={value}");
        assert_eq!(code((name, value), &["run", "--help"]), Some(0), "{name}={value}");
    }
    assert_eq!(code(("BUILDX_BUILDER", "other"), &["buildx", "inspect"]), Some(1));
    // The command line takes precedence over the environment.
    assert_eq!(code(("DOCKER_HOST", "tcp://10.0.0.1:2375"), &["-c", "default", "ps"]), Some(0));
    let said = super::run(&store, &["ps"], &[("DOCKER_HOST", "tcp://10.0.0.1:2375")]).stderr();
    assert!(said.contains("DOCKER_HOST") && said.contains("tcp://10.0.0.1:2375"), "{said}");
}

/// File names are bytes: where a path is an argument by itself, it need not be UTF-8. Where it is a part of an
/// argument, as in `-v`, it is refused.
#[test]
fn paths_need_not_be_text() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;
    if !super::common::is_root() {
        return super::common::skip("needs root");
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let name = OsStr::from_bytes(b"n\xff");
    let folder = store.work().join(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    std::fs::write(folder.join("env"), "A=1\n").unwrap();
    let within = |file: &str| Path::new(name).join(file).into_os_string();
    let word = |text: &str| OsString::from(text);
    let run = |words: &[OsString]| {
        let mut command = store.command(&[]);
        command.args(words).env("HOME", store.work());
        Answer::of(command)
    };
    let plain = ["run", "--rm", "--network", "none", "--env-file"].map(word);
    let right: [Vec<OsString>; 6] = [
        vec![word("build"), word("-q"), name.into()],
        vec![word("build"), word("-q"), word("-f"), within("Dockerfile"), name.into()],
        vec![word("save"), word("-o"), within("a.tar"), word("busybox")],
        vec![word("load"), word("-i"), within("a.tar")],
        vec![word("import"), within("a.tar")],
        [&plain[..], &[within("env"), word("busybox"), word("true")]].concat(),
    ];
    for words in right {
        let answer = run(&words);
        assert_eq!(answer.code(), Some(0), "{words:?}: {}", answer.stderr());
    }
    let mut volume = word("/");
    volume.push(name);
    volume.push(":/x");
    let answer = run(&[word("run"), word("--rm"), word("-v"), volume, word("busybox"), word("true")]);
    assert!(answer.stderr().contains("UTF-8"), "{}", answer.stderr());
}
