//! Terminals: attached, detached, resized, attached again.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::common::wait_for;
use super::machine::Machine;

/// A user at a terminal.
pub struct User {
    terminal: File,
    name: String,
    seen: String,
}

impl User {
    pub fn new(rows: u16, columns: u16) -> Self {
        let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&terminal).unwrap();
        rustix::pty::unlockpt(&terminal).unwrap();
        let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let user = Self { terminal: File::from(terminal), name, seen: String::new() };
        user.resize(rows, columns);
        rustix::io::ioctl_fionbio(&user.terminal, true).unwrap();
        user
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.terminal, size).unwrap();
    }

    pub fn starts(&self, machine: &Machine, arguments: &[&str]) -> Child {
        self.attach_to(machine.0.command(arguments))
    }

    pub fn attach_to(&self, mut command: Command) -> Child {
        let open = || File::options().read(true).write(true).open(&self.name).unwrap();
        command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap()
    }

    pub fn modes(&self) -> rustix::termios::LocalModes {
        rustix::termios::tcgetattr(&self.terminal).unwrap().local_modes
    }

    pub fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this text appears, and drops what came before.
    #[track_caller]
    pub fn reads(&mut self, wanted: &str) {
        self.reads_when(wanted, || {});
    }

    /// The same, with an action for each time it has not appeared yet.
    #[track_caller]
    pub fn reads_when(&mut self, wanted: &str, again: impl Fn()) {
        wait_for(wanted, || {
            again();
            let mut buffer = [0; 4096];
            // If nothing can be read now, this is an error.
            while let Ok(length @ 1..) = self.terminal.read(&mut buffer) {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            let end = self.seen.find(wanted).map(|at| at + wanted.len()).ok_or_else(|| self.seen.clone())?;
            self.seen.drain(..end);
            Ok(())
        });
    }
}

#[test]
fn a_session_is_left_and_taken_up_again() {
    let Some(machine) = Machine::new() else { return };
    let mut user = User::new(30, 90);
    let before = rustix::termios::tcgetattr(&user.terminal).unwrap().local_modes;
    let mut first = user.starts(&machine, &["run", "-it", "--name", "shell", "--network", "none", "busybox", "sh"]);
    user.types("stty size; echo re''ady\n");
    user.reads("30 90");
    user.reads("ready");
    user.resize(20, 70);
    rustix::process::kill_process(rustix::process::Pid::from_child(&first), rustix::process::Signal::WINCH).unwrap();
    // The size arrives asynchronously.
    user.types("until stty size | grep '20 7[0]'; do sleep 0.05; done; x=kept\n");
    user.reads("20 70");
    user.types("\x10\x11");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(rustix::termios::tcgetattr(&user.terminal).unwrap().local_modes, before);
    assert_eq!(machine.says(&["ps", "--format", "{{.Names}}"]), "shell");
    let mut second = user.starts(&machine, &["attach", "shell"]);
    user.types("echo still $x\n");
    user.reads("still kept");
    user.types("exit 3\n");
    assert_eq!(second.wait().unwrap().code(), Some(3));
    assert_eq!(rustix::termios::tcgetattr(&user.terminal).unwrap().local_modes, before);
    let mut third = user.starts(&machine, &["start", "-ai", "shell"]);
    user.types("echo ag''ain; exit 4\n");
    user.reads("again");
    assert_eq!(third.wait().unwrap().code(), Some(4));
}

#[test]
fn exec_has_a_terminal() {
    let Some(machine) = Machine::new() else { return };
    machine.start("host", &[], "sleep 100");
    let mut user = User::new(25, 85);
    let mut child = user.starts(&machine, &["exec", "-it", "host", "sh"]);
    user.types("tty; stty size; echo $TERM\n");
    user.reads("/dev/pts/");
    user.reads("25 85");
    user.types("exit 6\n");
    assert_eq!(child.wait().unwrap().code(), Some(6));
    let mut left = user.starts(&machine, &["exec", "-it", "--detach-keys", "ctrl-a,x", "host", "sh"]);
    user.types("echo in''side\n");
    user.reads("inside");
    user.types("\x01x");
    user.reads("read escape sequence");
    assert_eq!(left.wait().unwrap().code(), Some(1));
}

#[test]
fn input_reaches_a_container_in_the_foreground() {
    let Some(machine) = Machine::new() else { return };
    let big = vec![b'x'; 3 << 20];
    let arguments = ["run", "-i", "--rm", "--network", "none", "busybox", "cat"];
    let answer = machine.0.run_with_input(&arguments, &big).ok();
    assert_eq!(answer.stdout_bytes().len(), big.len());
    machine.start("reader", &["-i"], "read line; echo got $line; sleep 0.2");
    machine.0.run_with_input(&["attach", "reader"], b"word\n").ok();
    assert_eq!(machine.says(&["logs", "reader"]), "got word");
}
