//! `--ssh` and `RUN --mount=type=ssh`: agents, and key files for the build's own agent.

use crate::common::{TestStore, has_programs, must_run, wait_until};

/// Asks the agent for its keys like ssh-add: a message of one byte. The sixth byte of the answer is the number of keys.
const ASK: &str = "RUN --mount=type=ssh,required,uid=1000,mode=0600 stat -c 'owner %u %a' $SSH_AUTH_SOCK\n";

fn key(store: &TestStore, name: &str, passphrase: &str) -> String {
    let path = store.work().join(name).display().to_string();
    must_run("ssh-keygen", &["-q", "-t", "ed25519", "-N", passphrase, "-f", &path]);
    path
}

#[test]
fn a_key_file_gets_an_agent_that_ends_with_the_build() {
    if !has_programs(&["ssh-keygen", "ssh-agent", "ssh-add"]) {
        return;
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let path = key(&store, "key", "");
    let ssh = format!("default={path}");
    let said = store.build_text(&format!("FROM busybox\n{ASK}"), &["--ssh", &ssh]).ok().stderr();
    assert!(said.contains("owner 1000 600"), "{said}");
    // An agent checks every ten seconds whether its program still runs; other tests have agents too.
    wait_until("no agent is left behind", || !an_agent_runs());
}

fn an_agent_runs() -> bool {
    let processes = std::fs::read_dir("/proc").expect("processes can be listed").flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| {
        let line = String::from_utf8_lossy(&line);
        line.starts_with("ssh-agent") && line.contains("rbuild-ssh-")
    })
}

#[test]
fn a_key_that_needs_a_passphrase_and_one_that_is_none_are_refused() {
    if !has_programs(&["ssh-keygen", "ssh-agent", "ssh-add"]) {
        return;
    }
    let Some(store) = TestStore::with_busybox() else { return };
    let path = key(&store, "locked", "secret words");
    let dockerfile = format!("FROM busybox\n{ASK}");
    let said = store.build_text(&dockerfile, &["--ssh", &format!("default={path}")]).fails(1).stderr();
    assert!(said.contains("the key `") && said.contains("ssh-add it, and pass --ssh default"), "{said}");
    let missing = store.build(&["--ssh", "default=/nowhere/key"]).fails(1).stderr();
    assert!(missing.contains("--ssh default: `/nowhere/key` cannot be read"), "{missing}");
    let none = store.build(&[]).fails(1).stderr();
    assert!(none.contains("pass --ssh default, or --ssh default=KEYFILE"), "{none}");
}

/// The program sees another socket than the one that was given, which leads to it.
#[test]
fn an_agent_is_reached_through_the_mount() {
    use std::io::{Read as _, Write as _};
    let Some(store) = TestStore::with_busybox() else { return };
    let socket = store.work().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut question = [0; 6];
            let _ = stream.read_exact(&mut question);
            let _ = stream.write_all(b"answer\n");
        }
    });
    let text = "FROM busybox\nRUN --mount=type=ssh,id=mine,target=/agent.sock test -S /agent.sock && test $SSH_AUTH_SOCK = /agent.sock\n";
    store.build_text(text, &["--ssh", &format!("mine={}", socket.display())]).ok();
}
