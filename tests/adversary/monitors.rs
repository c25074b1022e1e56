//! Attacks on a container's monitor: other users can't reach it, and programs of its own user can't lock others out of
//! the container, whatever they send or don't send.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::common::{is_root, skip, wait_for, wait_until};
use crate::fixtures::{Stranger, ends, everybody};
use crate::machine::Machine;

const REQUEST: u8 = 1;

/// The folder of a container, which contains the monitor's socket.
fn folder_of(machine: &Machine, name: &str) -> PathBuf {
    machine.0.root().join("containers").join(machine.field(name, "{{.Id}}"))
}

/// The path of a socket is limited to 108 bytes.
fn connect(machine: &Machine, name: &str) -> UnixStream {
    let place = tempfile::Builder::new().prefix("rbuild-monitor-").tempdir_in("/tmp").unwrap();
    let link = place.path().join("m");
    std::os::unix::fs::symlink(folder_of(machine, name).join("monitor.sock"), &link).unwrap();
    UnixStream::connect(&link).unwrap()
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[kind], length.as_slice(), body].concat()
}

/// Messages that are not requests, or incomplete.
fn messages() -> Vec<Vec<u8>> {
    let huge = [&[REQUEST], (15u32 << 20).to_le_bytes().as_slice(), &[0; 1 << 16]].concat();
    vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 1 << 16],
        frame(REQUEST, &[0xff; 64]),
        frame(REQUEST, &[]),
        // Only a monitor without a container accepts being told which it is.
        frame(REQUEST, &[0, 1, b'/', 1, b'x', 0, 0, 0, 0]),
        frame(6, &[1]),
        frame(4, b"output"),
        frame(9, b"unknown"),
        [&[REQUEST], u32::MAX.to_le_bytes().as_slice()].concat(),
        huge,
        vec![REQUEST],
        frame(REQUEST, &[5])[..3].to_vec(),
    ]
}

#[track_caller]
fn answers(machine: &Machine, name: &str) {
    let answer = ends(machine.0.command(&["exec", name, "echo", "here"]));
    assert_eq!(answer.ok().stdout(), "here\n");
    for verb in ["pause", "unpause"] {
        // Where pausing is not supported, this fails at once.
        ends(machine.0.command(&[verb, name]));
    }
    assert_eq!(machine.field(name, "{{.State.Status}}"), "running");
}

#[test]
fn nobody_else_reaches_a_monitor() {
    let Some(stranger) = Stranger::new() else { return };
    for (name, machine) in everybody() {
        machine.start("box", &[], "sleep 1000");
        let socket = folder_of(&machine, "box").join("monitor.sock");
        assert!(socket.exists());
        // Even if the way to the store is open to everybody.
        std::fs::set_permissions(machine.0.work(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!stranger.can(&format!("test -S {}", socket.display())), "{name}");
        let table = std::fs::read_to_string("/proc/net/unix").unwrap();
        assert!(!table.lines().any(|line| line.contains('@') && line.contains("rbuild")), "{name}: an abstract socket");
    }
}

#[test]
fn what_is_no_request_does_nothing() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "echo begun; sleep 1000");
        let mut kept = Vec::new();
        for message in messages() {
            let mut stream = connect(&machine, "box");
            // It may close its end before everything is sent.
            let _ = stream.write_all(&message);
            answers(&machine, "box");
            kept.push(stream);
        }
        assert_eq!(machine.says(&["logs", "box"]), "begun", "{name}");
        // The senders of partial messages are still connected.
        assert_eq!(machine.says(&["stop", "-t", "0", "box"]), "box");
        assert_eq!(machine.field("box", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137", "{name}");
        assert_eq!(machine.says(&["start", "box"]), "box");
    }
}

#[test]
fn those_who_say_nothing_keep_nobody_out() {
    for (name, machine) in everybody() {
        let command =
            machine.0.command(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited.current_dir(command.get_current_dir().unwrap());
        ends(limited).ok();
        let monitor = machine.state_number("box", "MonitorPid");
        // More than it may have open; the rest waits in the socket's backlog.
        let silent: Vec<_> = (0..100).map(|_| connect(&machine, "box")).collect();
        wait_until("it has taken what it can", || {
            let open = std::fs::read_dir(format!("/proc/{monitor}/fd")).map(|folder| folder.count());
            open.is_ok_and(|open| open >= 60)
        });
        // While it can't accept clients, it waits without busy looping.
        let is_busy = |_: &i32| {
            machine.run(&["ps", "-q"]).ok();
            state(monitor) == 'R'
        };
        let busy = (0..20).filter(is_busy).count();
        assert!(busy < 10, "{name}: it was busy {busy} times of 20");
        // Programs of the container need no monitor, and once the others are gone, everything works again.
        assert_eq!(machine.says(&["exec", "box", "echo", "here"]), "here");
        drop(silent);
        answers(&machine, "box");
        assert_eq!(machine.says(&["stop", "-t", "0", "box"]), "box");
    }
}

#[test]
fn those_who_stay_silent_are_let_go() {
    let Some(machine) = Machine::new() else { return };
    machine.start("box", &[], "sleep 1000");
    let (mut silent, mut half) = (connect(&machine, "box"), connect(&machine, "box"));
    half.write_all(&[REQUEST, 5]).unwrap();
    let mut waiting = machine.0.command(&["wait", "box"]).spawn().unwrap();
    for stream in [&mut silent, &mut half] {
        stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the monitor has closed it");
    }
    // A client that has sent a request may wait for any time.
    assert!(waiting.try_wait().unwrap().is_none());
    machine.says(&["stop", "-t", "0", "box"]);
    waiting.wait().unwrap();
}

#[test]
fn one_who_takes_nothing_keeps_nobody_waiting_for_the_end() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "yes | head -c 3000000; sleep 1000");
        let mut stuck = connect(&machine, "box");
        // `attach` to all output, which is never read.
        stuck.write_all(&frame(REQUEST, &[1, 0, 1, 1, 0])).unwrap();
        machine.says(&["exec", "-d", "box", "sh", "-c", "yes > /proc/1/fd/1"]);
        answers(&machine, "box");
        ends(machine.0.command(&["stop", "-t", "0", "box"])).ok();
        ends(machine.0.command(&["start", "box"])).ok();
        ends(machine.0.command(&["rm", "-f", "box"])).ok();
        drop(stuck);
        wait_for(name, || {
            if machine.run(&["inspect", "box"]).code() == Some(1) { Ok(()) } else { Err("it is there".to_owned()) }
        });
    }
}

/// The state of a process in proc(5): `R` if it runs.
fn state(process: i32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

/// Every user can read the arguments of all processes.
#[test]
fn what_was_typed_is_not_shown_while_a_container_runs() {
    let Some(stranger) = Stranger::new() else { return };
    let seen = || stranger.command("sh").args(["-c", "cat /proc/[0-9]*/cmdline"]).output().unwrap().stdout;
    for (name, machine) in everybody() {
        let secret = format!("typed-by-{name}-{}", std::process::id());
        let password = format!("PASSWORD={secret}");
        let options = ["run", "-d", "--network", "none", "-e", &password];
        machine.says(&[&options[..], &["--name", "box", "busybox", "sleep", "1000"]].concat());
        machine
            .says(&[&options[..], &["--name", "always", "--restart", "always", "busybox", "sleep", "1000"]].concat());
        machine.says(&["exec", "-d", "-e", &password, "box", "sleep", "1000"]);
        machine.says(&["exec", "box", "sh", "-c", "echo here"]);
        let text = seen();
        let lines = String::from_utf8_lossy(&text).replace('\0', " ");
        assert!(lines.contains("rbuild-monitor"), "{name}: {lines}");
        assert!(!lines.contains(&secret), "{name}: {lines}");
        // The environment can only be read by the process's owner.
        let all = stranger.command("sh").args(["-c", "cat /proc/[0-9]*/environ 2>/dev/null"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&all.stdout).contains(&secret), "{name}");
        // The arguments of the program itself belong to the container.
        assert_eq!(machine.says(&["exec", "box", "sh", "-c", "echo $PASSWORD"]), secret);
    }
}

/// Any user of the machine can reach a published port, and every connection costs the monitor descriptors.
#[test]
fn who_fills_a_published_port_keeps_nobody_from_the_container() {
    if !is_root() {
        return skip("an ordinary user's ports may be forwarded by others");
    }
    let Some(machine) = Machine::new() else { return };
    let words = ["run", "-d", "--name", "box", "-p", "127.0.0.1::53/udp", "busybox", "sleep", "1000"];
    let usual = machine.0.command(&words);
    let mut command = std::process::Command::new("sh");
    // As few as a service has by default.
    command.args(["-c", "ulimit -n 128; exec \"$0\" \"$@\""]).arg(usual.get_program()).args(usual.get_args());
    command.current_dir(machine.0.work());
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    ends(command).ok();
    let address = machine.says(&["port", "box", "53/udp"]);
    let clients: Vec<UdpSocket> = (0..400).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for client in &clients {
        client.send_to(b"x", address.trim()).unwrap();
    }
    answers(&machine, "box");
    for client in &clients {
        client.send_to(b"x", address.trim()).unwrap();
    }
    assert_eq!(ends(machine.0.command(&["stop", "-t", "0", "box"])).ok().stdout(), "box\n");
}
