//! Output of images, builds' programs, containers and registries reaches a terminal as plain text, and a pipe
//! unchanged. The target of these attacks is the user's terminal: its title, its clipboard, its contents.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::common::TestStore;
use super::common::screen::Screen;

/// Title, clipboard, clear screen, a C1 control, delete, overwriting a line, reversed direction: for the shell's
/// `printf`.
const ATTACK: &str = r"\033]0;TITLE\007\033]52;c;aGk=\007\033[2J\302\233H\177safe\rover\342\200\256";

/// What must not reach a terminal, from any source.
const HARMFUL: [&[u8]; 7] = [b"\x1b]", b"\x07", b"\x1b[2J", b"\xc2\x9b", b"\x7f", b"\rover", b"\xe2\x80\xae"];

/// The attack's control sequences.
fn attack() -> String {
    "\x1b]0;TITLE\x07\x1b]52;c;aGk=\x07\x1b[2J\u{9b}H\x7fsafe\rover\u{202e}".to_owned()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[track_caller]
fn assert_harmless(screen: &Screen, what: &str) {
    for harmful in HARMFUL {
        assert!(!holds(&screen.bytes, harmful), "{what}: {}", screen.bytes.escape_ascii());
    }
    let foreign = screen.without_own_sequences();
    assert!(!foreign.contains(&0x1b), "{what}: {}", foreign.escape_ascii());
}

#[track_caller]
fn assert_shown(screen: &Screen, what: &str) {
    let foreign = screen.without_own_sequences();
    assert!(holds(&foreign, br"\x1b]0;TITLE\x07"), "{what} does not show it: {}", foreign.escape_ascii());
}

/// A command's output is harmless on a terminal, and unchanged in pipes.
#[track_caller]
fn is_escaped_on_a_terminal_only(store: &TestStore, arguments: &[&str]) {
    let mut screen = Screen::new(50, 500);
    screen.run(store.command(arguments));
    assert_harmless(&screen, &format!("{arguments:?}"));
    assert_shown(&screen, &format!("{arguments:?}"));
    let answer = store.run(arguments);
    let piped = [answer.stdout_bytes(), answer.stderr_bytes()].concat();
    assert!(holds(&piped, b"\x1b]0;TITLE\x07"), "{arguments:?} in a pipe: {}", piped.escape_ascii());
}

#[test]
fn a_step_of_a_build_does_not_steer_the_terminal() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", format!("FROM busybox\nRUN printf '{ATTACK}\\n'; sleep 0.3\n"));
    for mode in ["plain", "tty"] {
        let mut screen = Screen::new(30, 200);
        assert_eq!(screen.run(store.command(&["build", "--no-cache", "--progress", mode, "ctx"])), Some(0));
        assert_harmless(&screen, mode);
        assert_shown(&screen, mode);
    }
    let piped = store.build(&["--no-cache"]).ok();
    assert!(holds(piped.stderr_bytes(), attack().as_bytes()), "{}", piped.stderr_bytes().escape_ascii());
}

#[test]
fn the_end_of_what_a_failing_step_said_keeps_its_colours_alone() {
    let Some(store) = TestStore::with_busybox() else { return };
    let dockerfile = format!("FROM busybox\nRUN printf '\\033[31mred\\033[0m {ATTACK}\\n'; exit 3\n");
    store.write("ctx/Dockerfile", dockerfile);
    for mode in ["plain", "tty", "none"] {
        let mut screen = Screen::new(30, 200);
        assert_eq!(screen.run(store.command(&["build", "--progress", mode, "ctx"])), Some(1));
        assert_harmless(&screen, mode);
        assert_shown(&screen, mode);
        assert!(holds(&screen.bytes, b"\x1b[31mred\x1b[0m"), "{mode}: {}", screen.bytes.escape_ascii());
        let mut command = store.command(&["build", "--progress", mode, "ctx"]);
        command.env("NO_COLOR", "1");
        let mut screen = Screen::new(30, 200);
        screen.run(command);
        assert!(!holds(&screen.bytes, b"\x1b[31m"), "{mode}: {}", screen.bytes.escape_ascii());
    }
}

#[test]
fn names_and_texts_of_images_and_containers_do_not_steer_the_terminal() {
    let Some(store) = TestStore::with_busybox() else { return };
    let attack = attack();
    store.run_with_input(&["import", "-m", &attack, "-", "evil"], &[0; 1024]).ok();
    let dockerfile = format!("FROM scratch\nLABEL l=\"{}\"\n", attack.replace('\r', ""));
    store.build_text(&dockerfile, &["-t", "labelled"]).ok();
    for arguments in [
        &["inspect", "-f", "{{.Config.Labels.l}}", "labelled"][..],
        &["image", "inspect", "-f", "{{.Config.Labels.l}}", "labelled"],
        &["history", "--no-trunc", "evil"],
        &["history", "--format", "{{.Comment}}", "evil"],
    ] {
        is_escaped_on_a_terminal_only(&store, arguments);
    }
    let label = format!("l={attack}");
    let run = ["run", "--name", "box", "--network", "none", "-l", &label, "busybox"];
    let script = format!("touch \"/$(printf '{ATTACK}')\"");
    store.run(&[&run[..], &["sh", "-c", &script, &attack]].concat()).ok();
    for arguments in [
        &["diff", "box"][..],
        &["ps", "-a", "--no-trunc", "--format", "{{.Labels}}"],
        &["inspect", "-f", "{{.Config.Labels.l}}", "box"],
        &["container", "ls", "-a", "--format", "{{.Label \"l\"}}"],
        &["inspect", &attack],
        &["stop", &attack],
    ] {
        is_escaped_on_a_terminal_only(&store, arguments);
    }
    for arguments in [&["ps", "-a", "--no-trunc"][..], &["images"], &["events", "--since", "1h", "--until", "0s"]] {
        let mut screen = Screen::new(50, 500);
        screen.run(store.command(arguments));
        assert_harmless(&screen, &format!("{arguments:?}"));
    }
}

/// As in docker, the output of a container is the user's own responsibility.
#[test]
fn the_streams_of_a_container_stay_as_they_are() {
    let Some(store) = TestStore::with_busybox() else { return };
    let script = format!("printf '{ATTACK}'");
    let run = ["run", "--name", "box", "--network", "none", "busybox", "sh", "-c", &script];
    for arguments in [&run[..], &["logs", "box"]] {
        let mut screen = Screen::new(30, 200);
        assert_eq!(screen.run(store.command(arguments)), Some(0));
        assert!(holds(&screen.bytes, attack().as_bytes()), "{arguments:?}: {}", screen.bytes.escape_ascii());
    }
}

#[test]
fn a_registry_does_not_steer_the_terminal() {
    let store = TestStore::empty();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let message = serde_json::json!({ "errors": [{ "code": "DENIED", "message": attack() }] }).to_string();
        let length = message.len();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{message}").as_bytes());
        }
    });
    let name = format!("{address}/a/b:1");
    let mut screen = Screen::new(30, 500);
    assert_eq!(screen.run(store.command(&["pull", &name])), Some(1));
    assert_harmless(&screen, "pull");
}

#[test]
fn a_line_without_end_is_cut_on_a_terminal_and_whole_in_a_pipe() {
    const LENGTH: usize = 3_000_000;
    const SHOWN: usize = 64 << 10;
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", format!("FROM busybox\nRUN yes | tr -d '\\n' | head -c {LENGTH}; exit 1\n"));
    let mut screen = Screen::new(30, 200);
    assert_eq!(screen.run(store.command(&["build", "--progress", "plain", "ctx"])), Some(1));
    let count = screen.bytes.iter().filter(|byte| **byte == b'y').count();
    // Its end is in the error, too.
    assert!((SHOWN..2 * SHOWN).contains(&count), "{count}");
    let note = format!("[{} more bytes are not shown]", LENGTH - SHOWN);
    assert!(holds(&screen.bytes, note.as_bytes()));
    let piped = store.build(&[]).fails(1).stderr();
    let printed = piped.lines().filter(|line| line.starts_with('#') && line.ends_with("yyy"));
    let lengths: Vec<usize> = printed.map(|line| line.rsplit(' ').next().unwrap_or_default().len()).collect();
    assert!(lengths.iter().all(|length| *length <= SHOWN), "{lengths:?}");
    assert_eq!(lengths.iter().sum::<usize>(), LENGTH);
}

/// Memory does not grow with a line's length, nor does the time per byte.
#[test]
fn a_line_of_many_megabytes_streams() {
    const LENGTH: usize = 100_000_000;
    const MOST_KILOBYTES: u64 = 60 << 10;
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", format!("FROM busybox\nRUN yes | tr -d '\\n' | head -c {LENGTH}\n"));
    let mut command = store.command(&["build", "--progress", "plain", "ctx"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let (mut buffer, mut count, mut peak) = (vec![0; 1 << 16], 0, 0);
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        count += buffer[..length].iter().filter(|byte| **byte == b'y').count();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
    }
    assert!(child.wait().unwrap().success());
    assert!(count >= LENGTH, "{count}");
    assert!(peak < MOST_KILOBYTES, "{peak} kB");
}
