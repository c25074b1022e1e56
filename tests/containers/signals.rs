//! Signals to a process that is attached to a container's program.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::common::wait_until;
use super::machine::Machine;
use super::terminal::User;

/// Prints the signals that it gets, and ends only on TERM.
const LISTENER: &str = "for s in HUP INT QUIT USR1 USR2 WINCH CONT ALRM TSTP; do trap \"echo got $s\" $s; done; \
                        trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.05; done";

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn they_are_passed_on_with_and_without_a_terminal() {
    let Some(machine) = Machine::new() else { return };
    for options in ["-t", "-it", "-i"] {
        let mut user = User::new(24, 80);
        let run = ["run", "--rm", options, "--name", "heard", "--network", "none", "busybox", "sh", "-c", LISTENER];
        let mut child = user.starts(&machine, &run);
        user.reads("ready");
        let signals = [
            (Signal::HUP, "HUP"),
            (Signal::INT, "INT"),
            (Signal::QUIT, "QUIT"),
            (Signal::USR1, "USR1"),
            (Signal::USR2, "USR2"),
            (Signal::WINCH, "WINCH"),
            (Signal::CONT, "CONT"),
            (Signal::ALARM, "ALRM"),
            (Signal::TSTP, "TSTP"),
        ];
        for (signal, name) in signals {
            send(&child, signal);
            user.reads(&format!("got {name}"));
        }
        send(&child, Signal::TERM);
        user.reads("got TERM");
        assert_eq!(child.wait().unwrap().code(), Some(7), "{options}");
        assert_eq!(machine.says(&["ps", "-aq"]), "", "{options}");
    }
}

#[test]
fn whoever_does_not_pass_them_on_is_left_by_a_hangup_alone() {
    let Some(machine) = Machine::new() else { return };
    let run = ["--sig-proxy=false", "--rm", "--name", "deaf", "--network", "none", "busybox", "sh", "-c", LISTENER];
    let mut user = User::new(24, 80);
    let mut child = user.starts(&machine, &[&["run"], &run[..]].concat());
    user.reads("ready");
    for signal in [Signal::USR1, Signal::TERM, Signal::INT] {
        send(&child, signal);
    }
    assert_eq!(machine.says(&["exec", "deaf", "echo", "there"]), "there");
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, Signal::TERM);
    user.reads("got 3 SIGTERM/SIGINTs, forcefully exiting");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "deaf");
    let mut guest = user.starts(&machine, &["attach", "--sig-proxy=false", "deaf"]);
    user.reads_when("got USR2", || drop(machine.says(&["kill", "-s", "USR2", "deaf"])));
    send(&guest, Signal::HUP);
    assert_eq!(guest.wait().unwrap().code(), None);
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "deaf");
}

#[test]
fn a_program_that_ignores_them_outlives_its_viewer() {
    let Some(machine) = Machine::new() else { return };
    let script = "trap '' TERM INT; echo ready; while :; do sleep 0.05; done";
    let mut user = User::new(24, 80);
    let run = ["run", "--rm", "-it", "--name", "stubborn", "--network", "none", "busybox", "sh", "-c", script];
    let mut child = user.starts(&machine, &run);
    user.reads("ready");
    for _ in 0..2 {
        send(&child, Signal::TERM);
        // Two pending signals of the same kind are merged.
        wait_until("it was passed on", || machine.run(&["exec", "stubborn", "true"]).code() == Some(0));
    }
    wait_until("it has gone", || {
        send(&child, Signal::TERM);
        child.try_wait().unwrap().is_some()
    });
    user.reads("got 3 SIGTERM/SIGINTs, forcefully exiting");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "stubborn");
}

#[test]
fn attach_passes_them_on_without_a_terminal_only() {
    let Some(machine) = Machine::new() else { return };
    machine.start("plain", &[], LISTENER);
    machine.until(&["logs", "plain"], |text| text.contains("ready"));
    let user = &mut User::new(24, 80);
    let mut guest = user.starts(&machine, &["attach", "plain"]);
    user.reads_when("got USR1", || drop(machine.says(&["kill", "-s", "USR1", "plain"])));
    send(&guest, Signal::USR2);
    user.reads("got USR2");
    send(&guest, Signal::TERM);
    assert_eq!(guest.wait().unwrap().code(), Some(7));
    machine.start("screen", &["-it"], LISTENER);
    let mut guest = user.starts(&machine, &["attach", "screen"]);
    user.reads_when("got USR1", || drop(machine.says(&["kill", "-s", "USR1", "screen"])));
    send(&guest, Signal::TERM);
    user.types("\x10\x11");
    user.reads("read escape sequence");
    assert_eq!(guest.wait().unwrap().code(), Some(1));
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "screen");
    let wrong = machine.run(&["attach", "screen"]).fails(1);
    assert!(wrong.stderr().contains("the input device is not a TTY"), "{}", wrong.stderr());
}

#[test]
fn with_nothing_but_the_input_attached_the_id_is_said() {
    let Some(machine) = Machine::new() else { return };
    let run = ["run", "-i", "-a", "stdin", "--name", "eater", "--network", "none", "busybox", "sh", "-c"];
    let mut command = machine.0.command(&[&run[..], &["cat; until [ -e /end ]; do sleep 0.05; done; exit 3"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"eaten\n").unwrap();
    let answer = child.wait_with_output().unwrap();
    assert_eq!(answer.status.code(), Some(0));
    let id = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(id.trim(), machine.field("eater", "{{.Id}}"));
    machine.until(&["logs", "eater"], |text| text == "eaten\n");
    machine.says(&["exec", "eater", "touch", "/end"]);
    assert_eq!(machine.says(&["wait", "eater"]), "3");
}

#[test]
fn a_terminal_is_as_it_was_when_exec_is_ended() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &[], "sleep 1000");
    let mut user = User::new(24, 80);
    let before = user.modes();
    let mut child = user.starts(&machine, &["exec", "-it", "host", "sh"]);
    user.types("echo re''ady\n");
    user.reads("ready");
    assert_ne!(user.modes(), before);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), None);
    assert_eq!(user.modes(), before);
}
