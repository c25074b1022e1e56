//! The build history: `builds ls|show|logs|rm`.

use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::{TestStore, has_programs, is_root, must_run, skip, wait_until};

fn shown(store: &TestStore, build: &[&str]) -> Value {
    let words = [&["builds", "show", "--format", "json"], build].concat();
    serde_json::from_str(&store.run(&words).ok().stdout()).unwrap()
}

fn step<'a>(document: &'a Value, text: &str) -> &'a Value {
    let steps = document["Steps"].as_array().unwrap();
    let is_meant = |step: &&Value| step["Name"].as_str().unwrap().contains(text);
    steps.iter().find(is_meant).unwrap_or_else(|| panic!("{text}: {document:#}"))
}

#[test]
fn a_build_is_shown_with_what_its_steps_used() {
    let Some(store) = TestStore::with_busybox() else { return };
    let big = "RUN dd if=/dev/zero of=/dev/null bs=90M count=1 && i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done";
    store.build_text(&format!("FROM busybox\n{big}\nCOPY Dockerfile /x\n"), &[]).ok();
    let document = shown(&store, &[]);
    let used = &step(&document, "RUN dd")["Resources"];
    let peak = used["peak_memory"].as_u64().unwrap();
    assert!((90 << 20..400 << 20).contains(&peak), "{used}");
    assert!(used["user"].as_u64().unwrap() > 0 && used["system"].as_u64().is_some(), "{used}");
    assert!(step(&document, "RUN dd")["Duration"].as_u64().unwrap() > 0);
    let copied = step(&document, "COPY");
    assert!(copied["Resources"].is_null() && copied["LayerSize"].as_u64().unwrap() > 50, "{copied}");
    assert_eq!(copied["Lines"], serde_json::json!([3, 3]));
    let text = store.run(&["builds", "show"]).ok().stdout();
    assert!(text.contains("s CPU (") && text.contains("MB memory, ") && text.contains("critical path"), "{text}");
    let logs = store.run(&["builds", "logs", "--step", "RUN dd"]).ok().stdout();
    assert!(logs.contains(" USED ") && !logs.contains("COPY"), "{logs}");

    // The same build again takes no time, and shows how much was saved.
    store.build(&[]).ok();
    let document = shown(&store, &[]);
    let cached = step(&document, "RUN dd");
    assert_eq!((cached["State"].as_str(), cached["Duration"].as_u64()), (Some("cached"), Some(0)));
    assert!(cached["Saved"].as_u64().unwrap() > 0, "{cached}");
    assert_eq!(store.run(&["builds", "ls", "-q"]).ok().stdout().lines().count(), 2);
    let said = store.run(&["builds", "logs", "--step", "nowhere"]).fails(1).stderr();
    assert!(said.contains("no step `nowhere`") && said.contains("builds show"), "{said}");
}

#[test]
fn network_bytes_are_counted() {
    let Some(store) = TestStore::with_busybox() else { return };
    // The counters of the shared network namespace do not include the loopback interface.
    store.build_text("FROM busybox\nRUN ping -c 1 127.0.0.1 || true\nRUN --network=none true\n", &[]).ok();
    let document = shown(&store, &[]);
    assert!(step(&document, "RUN ping")["Resources"]["received"].is_u64(), "{document:#}");
    assert!(step(&document, "RUN true")["Resources"]["received"].is_null(), "{document:#}");
}

#[test]
fn what_ran_out_of_memory_is_named_with_its_peak() {
    let Some(store) = TestStore::with_busybox() else { return };
    let unified = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let has_memory = unified.contains("memory") || std::path::Path::new("/sys/fs/cgroup/memory/tasks").exists();
    if !is_root() || !has_memory {
        skip("limits of memory need root and a memory cgroup");
        return;
    }
    let text = "FROM busybox\nRUN echo before && dd if=/dev/zero of=/dev/null bs=200M count=1\n";
    let said = store.build_text(text, &["--memory", "32m", "--memory-swap", "32m"]).fails(1).stderr();
    assert!(said.contains("exit code: 137 (it ran out of memory: its peak was 3") && said.contains("MB)"), "{said}");
    assert!(said.contains("RUN echo before"), "{said}");
    let document = shown(&store, &[]);
    assert!(document["Error"]["Message"].as_str().unwrap().contains("its peak was"), "{document:#}");
    let peak = step(&document, "RUN echo")["Resources"]["peak_memory"].as_u64().unwrap();
    assert!((28 << 20..=33 << 20).contains(&peak), "{peak}");
}

#[test]
fn a_log_is_whole_to_the_byte() {
    let Some(store) = TestStore::with_busybox() else { return };
    let lines = "seq 1 1000000; printf 'half \\303'; sleep 0.1; printf '\\251 letter\\n'";
    let binary = "head -c 3000000 /seed; printf '\\000\\377no end'";
    let big = "yes 0123456789abcdef | head -c 104857600";
    let seed: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    store.write("ctx/seed", &seed);
    let text = format!("FROM busybox\nCOPY seed /\nRUN {lines}\nRUN {binary}\nRUN {big}\n");
    store.build_text(&text, &["--quiet"]).ok();
    let raw = |step: &str| store.run(&["builds", "logs", "--raw", "--step", step]).ok().stdout_bytes().to_vec();
    let wanted: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
    let found = raw("RUN seq");
    assert_eq!(found.len(), wanted.len() + "half é letter\n".len());
    assert!(found.starts_with(wanted.as_bytes()) && found.ends_with("half é letter\n".as_bytes()));
    let mut wanted = seed;
    wanted.extend_from_slice(b"\0\xffno end");
    assert!(raw("RUN head") == wanted);
    let wanted: Vec<u8> = b"0123456789abcdef\n".iter().copied().cycle().take(104_857_600).collect();
    let found = raw("RUN yes");
    assert_eq!((found.len(), Sha256::digest(&found)), (wanted.len(), Sha256::digest(&wanted)));
    let timed = store.run(&["builds", "logs", "--timestamps", "--step", "RUN head"]).ok();
    assert!(timed.stdout_bytes().ends_with(b"\n"));
}

#[test]
fn a_build_that_was_killed_is_shown_with_what_is_there() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo first\nRUN echo begun && sleep 98765\nRUN echo never\n");
    let mut command = store.command(&["build", "--progress", "plain", "ctx"]);
    let mut build = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the step has begun", || store.run(&["builds", "logs"]).stdout().contains(" begun\n"));
    let listed = || store.run(&["builds", "ls", "--format", "{{.Status}}"]).ok().stdout();
    assert_eq!(listed(), "Running\n");
    assert!(store.run(&["builds", "rm"]).fails(1).stderr().contains("is still running"));
    store.run(&["builds", "rm", "--all"]).ok();
    assert_eq!(listed(), "Running\n");
    build.kill().unwrap();
    build.wait().unwrap();
    wait_until("it is known to be killed", || listed() == "Killed\n");
    let logs = store.run(&["builds", "logs"]).ok().stdout();
    assert!(logs.contains(" first\n") && logs.contains(" begun\n") && logs.contains("the build was killed"), "{logs}");
    let document = shown(&store, &[]);
    assert_eq!(document["Status"], "killed");
    assert_eq!(step(&document, "echo first")["State"], "executed");
    assert_eq!(step(&document, "echo begun")["State"], "running");
    assert_eq!(step(&document, "echo never")["State"], "not-reached");
    assert_eq!(store.run(&["buildx", "history", "ls", "--filter", "status=canceled"]).ok().stdout().lines().count(), 2);
    // It is not damage, however old it is.
    let logs = store.root().join("history/logs");
    let log = std::fs::read_dir(logs).unwrap().next().unwrap().unwrap().path();
    let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().append(true).open(&log).unwrap().set_modified(ago).unwrap();
    let checked = store.run(&["system", "check"]).stdout();
    assert!(!checked.contains("history"), "{checked}");
    store.run(&["builds", "rm"]).ok();
    assert!(listed().is_empty() && !log.exists());
}

#[test]
fn a_signal_that_comes_twice_at_once_cancels_in_good_order() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo begun && sleep 98764\n");
    let mut command = store.command(&["build", "--progress", "plain", "--report", "r.html", "ctx"]);
    let mut build = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the step has begun", || store.run(&["builds", "logs"]).stdout().contains(" begun\n"));
    // Like timeout(1), which signals its child and then its process group.
    let process = rustix::process::Pid::from_child(&build);
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        rustix::process::kill_process(process, signal).unwrap();
    }
    assert_eq!(build.wait().unwrap().code(), Some(130));
    assert_eq!(store.run(&["builds", "ls", "--format", "{{.Status}}"]).ok().stdout(), "Canceled\n");
    assert!(store.work().join("r.html").exists());
}

#[test]
fn a_full_disk_ends_the_log_and_not_the_build() {
    let Some(store) = TestStore::with_busybox() else { return };
    if !is_root() || !has_programs(&["mount", "umount"]) {
        skip("a small filesystem needs root");
        return;
    }
    let history = store.root().join("history");
    std::fs::create_dir_all(&history).unwrap();
    let target = history.display().to_string();
    must_run("mount", &["-t", "tmpfs", "-o", "size=1m", "small", &target]);
    let built = store.build_text("FROM busybox\nRUN yes full | head -c 5000000\nRUN echo after\n", &[]);
    let (listed, logs) = (store.run(&["builds", "ls"]), store.run(&["builds", "logs"]));
    let document = store.run(&["builds", "show"]);
    must_run("umount", &[&target]);
    built.ok();
    let listed = listed.ok().stdout();
    assert!(listed.contains("Completed"), "{listed}");
    let logs = logs.ok().stdout();
    assert!(
        logs.contains(" full\n") && logs.contains("the log ends here: it could not be written: No space left"),
        "…"
    );
    assert!(logs.contains("RUN echo after") && logs.matches("DONE").count() == 2, "the steps' ends are there");
    let document = document.ok().stdout();
    assert!(document.contains("its log ends early: it could not be written"), "{document}");
}

#[test]
fn what_was_cleaned_away_is_said() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.build_text("FROM busybox\nRUN echo printed\n", &["-t", "app"]).ok();
    std::fs::remove_dir_all(store.root().join("history/logs")).unwrap();
    store.run(&["rmi", "app"]).ok();
    let text = store.run(&["builds", "show"]).ok().stdout();
    assert!(text.contains("Note: its log was removed since") && text.contains("RUN echo printed"), "{text}");
    let logs = store.run(&["builds", "logs"]).ok();
    assert!(logs.stderr().contains("was removed since") && logs.stdout().contains("RUN echo printed"));
}

#[test]
fn secrets_of_several_lines_stay_out_of_the_log() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("key", "-----BEGIN KEY-----\nabcdefghijklmnop\nqrstuvwxyz012345\n-----END KEY-----\n");
    let text =
        "FROM busybox\nRUN --mount=type=secret,id=k while read l; do echo \"$l\"; sleep 0.05; done < /run/secrets/k\n";
    store.build_text(text, &["--secret", "id=k,src=key"]).ok();
    let logs = store.run(&["builds", "logs"]).ok().stdout();
    assert!(logs.contains(" ***\n") && !logs.contains("abcdefgh") && !logs.contains("qrstuv"), "{logs}");
    let log = std::fs::read_dir(store.root().join("history/logs")).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(log.path()).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("abcdefgh"));
    assert_eq!(std::fs::metadata(log.path()).unwrap().mode() & 0o077, 0, "it is its owner's alone");
}
