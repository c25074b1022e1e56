//! Completion: through the entry point of the shells' scripts, and in bash itself.

use std::process::Command;

use super::common::{TestStore, has_programs, is_root, skip};

/// The candidates, without their descriptions.
fn ask(store: &TestStore, words: &[&str]) -> Vec<String> {
    let answer = super::run(store, &[&["__complete", "--"], words].concat(), &[]).ok().stdout();
    answer.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn values_and_names_are_offered() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]).ok();
    say(&["create", "--name", "box", "busybox"]);
    say(&["volume", "create", "data"]);
    say(&["network", "create", "back"]);
    store.write("ctx/Dockerfile", "FROM busybox AS first\nRUN x\nFROM first as second\nFROM busybox\n");
    store.write("ctx/other.Dockerfile", "FROM busybox AS third\n");
    let rows: [(&[&str], &[&str]); 34] = [
        (&["build", "--target", "", "ctx"], &[]),
        (&["build", "ctx", "--target", ""], &["first", "second"]),
        (&["build", "-f", "ctx/other.Dockerfile", "--target="], &["--target=third"]),
        (&["build", "ctx", "--target", "s"], &["second"]),
        (&["run", "--restart", "on"], &["on-failure", "on-failure:"]),
        (&["run", "--restart=un"], &["--restart=unless-stopped"]),
        (&["run", "--cap-add", "NET_A"], &["NET_ADMIN"]),
        (&["run", "--cap-drop=AL"], &["--cap-drop=ALL"]),
        (&["run", "--platform", "linux/am"], &["linux/amd64"]),
        (&["run", "--pull", "a"], &["always"]),
        (&["build", "--progress", "p"], &["plain"]),
        (&["build", "--progress=raw"], &["--progress=rawjson"]),
        (&["images", "--format", "j"], &["json"]),
        (&["run", "--network", "ba"], &["back"]),
        (&["run", "--net=container:"], &["--net=container:", "--net=container:box"]),
        (&["run", "--pid", "cont"], &["container:box"]),
        (&["run", "--stop-signal", "USR"], &["USR1", "USR2"]),
        (&["run", "busy"], &["busybox:latest"]),
        (&["tag", "busy"], &["busybox:latest"]),
        (&["push", "busy"], &["busybox:latest"]),
        (&["rmi", "busy"], &["busybox:latest"]),
        (&["start", "b"], &["box"]),
        (&["stop", "b"], &[]),
        (&["exec", "b"], &[]),
        (&["rm", "b"], &["box"]),
        (&["volume", "rm", ""], &["data"]),
        (&["network", "connect", "back", ""], &["box"]),
        (&["ps", "-f", "st"], &["status="]),
        (&["ps", "-f", "status=ex"], &["status=exited"]),
        (&["ps", "--filter=ancestor=b"], &["--filter=ancestor=busybox:latest"]),
        (&["volume", "ls", "-f", "dangling=t"], &["dangling=true"]),
        (&["cp", "box:/et"], &["box:/etc/"]),
        (&["cp", "box:/etc/pass"], &["box:/etc/passwd"]),
        (&["container", "prun"], &["prune"]),
    ];
    for (words, wanted) in rows {
        if words.last() == Some(&"ctx") {
            // The last word is incomplete: a folder.
            assert_eq!(ask(&store, words), [":files"]);
        } else {
            assert_eq!(ask(&store, words), wanted, "{words:?}");
        }
    }
    assert_eq!(ask(&store, &["cp", "bo"]), ["box:", ":files"]);
    assert_eq!(ask(&store, &["run", "busybox", "-"]), [":files"], "what is behind the image is the program's");
    assert!(ask(&store, &["run", "-v", "da"]).contains(&"data".to_owned()));
}

/// bash splits words at `=` and `:`; what it inserts is as it was typed.
#[test]
fn bash_completes_what_was_typed() {
    if !is_root() || !has_programs(&["bash"]) {
        return skip("needs root and bash");
    }
    let Some(store) = TestStore::loaded() else { return };
    super::run(&store, &["create", "--name", "box", "busybox"], &[]).ok();
    let program = store.work().join("docker");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), &program).unwrap();
    let script = r#"
source <("$1" completion bash)
complete -p docker >&2
line=$2 COMP_LINE=$2 COMP_POINT=${#2}
# As readline parts it.
set -f; read -ra COMP_WORDS < <(sed 's/[=:]/ & /g' <<<"$line"); [[ $line == *' ' ]] && COMP_WORDS+=("")
COMP_WORDS[0]=$1 COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1${line#docker} COMP_POINT=$((${#COMP_LINE}))
_rbuild
printf '%s\n' "${COMPREPLY[@]}"
"#;
    for (line, wanted) in [
        ("docker run --restart=un", "unless-stopped\n"),
        ("docker run --restart un", "unless-stopped\n"),
        ("docker run --restart=", "no\nalways\nunless-stopped\non-failure\non-failure:\n"),
        ("docker rmi busybox:la", "latest\n"),
        ("docker rmi busy", "busybox:latest\n"),
        ("docker cp box:/etc/pass", "/etc/passwd\n"),
        ("docker ps -f status=ex", "exited\n"),
        ("docker netw", "network\n"),
        ("docker network conn", "connect\n"),
    ] {
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", script, "bash"]).arg(&program).arg(line);
        command.env("RBUILD_ROOT", store.root()).env("HOME", store.work()).current_dir(store.work());
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(out, wanted, "{line}: {err}");
        assert!(err.contains("complete -F _rbuild docker"), "{err}");
    }
}

/// A store with a container, and the program as `docker` in the working folder.
fn with_box() -> Option<TestStore> {
    let store = TestStore::loaded()?;
    super::run(&store, &["create", "--name", "box", "busybox"], &[]).ok();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rbuild"), store.work().join("docker")).unwrap();
    store.write("context/Dockerfile", "FROM busybox AS first\n");
    Some(store)
}

fn output_of(store: &TestStore, mut command: Command) -> String {
    let path = format!("{}:{}", store.work().display(), std::env::var("PATH").unwrap_or_default());
    command.env("RBUILD_ROOT", store.root()).env("HOME", store.work()).env("PATH", path).current_dir(store.work());
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A zsh on its own terminal: types a tab, and reads the resulting line.
#[test]
fn zsh_completes_what_was_typed() {
    if !is_root() || !has_programs(&["zsh"]) {
        return skip("needs root and zsh");
    }
    let Some(store) = with_box() else { return };
    const SCRIPT: &str = r#"
zmodload zsh/zpty
zpty shell 'exec zsh -f -i'
until_seen() { local chunk; seen=; while zpty -r shell chunk; do seen+=$chunk; [[ $seen == *$1* ]] && return; done }
zpty -w shell 'unset zle_bracketed_paste; setopt no_beep; autoload -Uz compinit; compinit -u -D; stty -echo cols 200'
zpty -w shell 'source <(docker completion zsh)'
zpty -w shell 'show() { print -r -- "[""[$BUFFER]""]"; zle kill-buffer; zle accept-line }'
zpty -w shell 'zle -N show; bindkey "^X" show; print do""ne'
until_seen done
for line in "$@"; do
    zpty -w -n shell "$line"$'\t\x18'
    until_seen ']]'
    print -r -- ${${seen##*\[\[}%%\]\]*}
done
"#;
    let rows = [
        ("docker run --restart=un", "docker run --restart=unless-stopped "),
        ("docker run --restart un", "docker run --restart unless-stopped "),
        ("docker netw", "docker network "),
        ("docker network conn", "docker network connect "),
        ("docker rmi busybox:la", "docker rmi busybox:latest "),
        ("docker rmi busy", "docker rmi busybox:latest "),
        ("docker cp box:/etc/pass", "docker cp box:/etc/passwd "),
        ("docker cp bo", "docker cp box:"),
        ("docker ps -f status=ex", "docker ps -f status=exited "),
        ("docker ps -f sta", "docker ps -f status="),
        ("docker build con", "docker build context/"),
        ("docker build --file=con", "docker build --file=context/"),
        ("docker build context --target fi", "docker build context --target first "),
    ];
    let mut command = Command::new("zsh");
    command.args(["-f", "-c", SCRIPT, "zsh"]).args(rows.map(|(line, _)| line));
    let found = output_of(&store, command);
    assert_eq!(found.lines().collect::<Vec<_>>(), rows.map(|(_, wanted)| wanted), "{found}");
}

#[test]
fn fish_completes_what_was_typed() {
    if !is_root() || !has_programs(&["fish"]) {
        return skip("needs root and fish");
    }
    let Some(store) = with_box() else { return };
    for (line, wanted) in [
        ("docker run --restart=un", "--restart=unless-stopped\n"),
        ("docker run --restart un", "unless-stopped\n"),
        ("docker netw", "network\tManage networks\n"),
        ("docker network conn", "connect\tConnect a container to a network\n"),
        ("docker rmi busybox:la", "busybox:latest\timage\n"),
        ("docker cp box:/etc/pass", "box:/etc/passwd\n"),
        ("docker ps -f status=ex", "status=exited\n"),
        ("docker build con", "context/\n"),
        ("docker build --file=con", "--file=context/\n"),
        ("docker build context --target fi", "first\tfrom busybox\n"),
    ] {
        let mut command = Command::new("fish");
        command.args(["--no-config", "-c", "source (docker completion fish | psub); complete -C $argv[1]", line]);
        assert_eq!(output_of(&store, command), wanted, "{line}");
    }
}

#[test]
fn scripts_are_for_the_program_that_prints_them() {
    let store = TestStore::empty();
    for (shell, start) in [("bash", "complete -F _rbuild"), ("zsh", "compdef _rbuild"), ("fish", "complete -c")] {
        let script = super::run(&store, &["completion", shell], &[]).ok().stdout();
        assert!(script.contains(&format!("{start} rbuild")) && !script.contains("PROGRAM"), "{script}");
    }
}
