//! `rbuild run`, as root and as an ordinary user with subordinate IDs.

mod common;

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use common::{TestStore, is_root, skip};

/// A store with the image `box`: busybox with a user and groups.
struct Machine(TestStore);

impl Machine {
    fn of_root() -> Option<Self> {
        if !is_root() {
            skip("needs root");
            return None;
        }
        TestStore::with_busybox().map(Self::with_box)
    }

    /// An ordinary user of this machine with subordinate IDs.
    fn of_user() -> Option<Self> {
        TestStore::of_user().map(Self::with_box)
    }

    fn with_box(store: TestStore) -> Self {
        let text = "FROM busybox\nRUN echo app:x:1000:1000::/home/app:/bin/sh >> /etc/passwd && \
                    printf 'app:x:1000:\\nmore:x:50:app\\n' >> /etc/group\n";
        store.build_text(text, &["-t", "box"]).ok();
        Self(store)
    }

    /// Runs a shell script in a container; returns the exit code and the output.
    fn shell(&self, options: &[&str], script: &str) -> (i32, String) {
        let arguments = [&["run", "--rm", "--network", "none"], options, &["box", "sh", "-c", script]].concat();
        let answer = self.0.run(&arguments);
        (answer.code().unwrap(), answer.stdout() + &answer.stderr())
    }
}

#[test]
fn exit_codes() {
    let Some(machine) = Machine::of_root() else { return };
    assert_eq!(machine.shell(&[], "exit 7").0, 7);
    assert_eq!(machine.shell(&["--init"], "kill -15 $$").0, 143);
    let code = |arguments: &[&str]| machine.0.run(arguments).code();
    assert_eq!(code(&["run", "--rm", "--network", "none", "box", "nothing"]), Some(127));
    assert_eq!(code(&["run", "--rm", "--network", "none", "box", "/etc"]), Some(126));
    assert_eq!(code(&["run", "--rm", "--pull", "never", "no-such-image"]), Some(125));
    assert_eq!(code(&["run", "--rm", "-v", "/a:/b:nonsense", "box", "true"]), Some(125));
}

#[test]
fn what_the_options_say_holds() {
    let Some(machine) = Machine::of_root() else { return };
    what_options_say(&machine);
    let (code, output) = machine.shell(&["--cap-drop", "ALL", "--cap-add", "CHOWN"], "cat /proc/self/status");
    assert!(code == 0 && output.contains("CapEff:\t0000000000000001"), "{output}");
    let (_, output) = machine.shell(&["--privileged"], "cat /proc/self/status; ls /dev");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let all = own.lines().find(|line| line.starts_with("CapEff:")).unwrap();
    assert!(output.contains("Seccomp:\t0") && output.contains(all), "{output}");
    let (_, output) = machine.shell(&["--security-opt", "no-new-privileges"], "cat /proc/self/status");
    assert!(output.contains("NoNewPrivs:\t1") && output.contains("Seccomp:\t2"), "{output}");
}

#[test]
fn what_the_options_say_holds_for_an_ordinary_user() {
    let Some(machine) = Machine::of_user() else { return };
    what_options_say(&machine);
    let (code, output) = machine.shell(&[], "touch /f && chown 1000:50 /f && ls -ln /f; cat /proc/self/uid_map");
    assert!(code == 0 && output.contains(" 1000     50 "), "{output}");
}

fn what_options_say(machine: &Machine) {
    let (_, output) = machine.shell(&["-u", "app", "-e", "A=1", "-w", "/new/place"], "id; pwd; echo $A $HOME");
    assert_eq!(output, "uid=1000(app) gid=1000(app) groups=50(more),1000(app)\n/new/place\n1 /home/app\n");
    let (_, output) =
        machine.shell(&["--hostname", "name", "--add-host", "db:10.0.0.9"], "cat /etc/hostname /etc/hosts");
    assert!(output.starts_with("name\n") && output.contains("10.0.0.9\tdb\n"), "{output}");
    let (code, output) = machine.shell(&["--read-only"], "echo x > /x");
    assert!(code == 1 && output.contains("Read-only"), "{output}");
    let (_, output) = machine.shell(&["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn");
    assert_eq!(output, "100\n200\n");
    let (_, output) = machine.shell(&["--init"], "echo $$; cat /proc/1/stat | { read a b c; echo $b; }");
    assert!(output.starts_with("2\n"), "{output}");
    machine.0.write("files/test.txt", "on the host\n");
    let (code, output) = machine.shell(&["-v", "./files:/files:ro"], "cat /files/test.txt; echo x > /files/y");
    assert!(code == 1 && output.starts_with("on the host\n") && output.contains("Read-only"), "{output}");
    assert!(!machine.0.work().join("files/y").exists());
}

#[test]
fn input_passes_through() {
    let Some(machine) = Machine::of_root() else { return };
    let answer = machine.0.run_with_input(&["run", "--rm", "-i", "--network", "none", "box", "cat"], b"some words");
    assert_eq!(answer.ok().stdout(), "some words");
    let refused = machine.0.run(&["run", "--rm", "-it", "--network", "none", "box", "cat"]).fails(1);
    assert!(refused.stderr().contains("the input device is not a TTY"));
}

#[test]
fn a_container_outlives_the_rbuild_that_started_it() {
    let Some(machine) = Machine::of_root() else { return };
    let script = "echo started; while true; do sleep 0.01; echo beat; done";
    let mut command =
        machine.0.command(&["run", "--rm", "--name", "lasting", "--network", "none", "box", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 8]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = machine.0.run(&["ps", "--format", "{{.Names}} {{.State}}"]).ok();
    assert_eq!(shown.stdout(), "lasting running\n");
    machine.0.run(&["rm", "-f", "lasting"]).ok();
    let left = std::fs::read_dir(machine.0.root().join("containers")).unwrap().count();
    assert_eq!(left, 1, "only the folder of names");
}

#[test]
fn signals_are_passed_on() {
    let Some(machine) = Machine::of_root() else { return };
    let script = "trap 'exit 3' TERM; echo ready; while true; do sleep 0.01; done";
    let mut command = machine.0.command(&["run", "--rm", "--network", "none", "box", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_terminal_has_a_size_and_signals() {
    let Some(machine) = Machine::of_root() else { return };
    let user_side = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
    rustix::pty::unlockpt(&user_side).unwrap();
    let name = rustix::pty::ptsname(&user_side, Vec::new()).unwrap();
    let open = || std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let size = rustix::termios::Winsize { ws_row: 33, ws_col: 99, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&user_side, size).unwrap();
    let before = rustix::termios::tcgetattr(open()).unwrap();
    // The size is set after the program has started.
    let script = "until [ \"$(stty size)\" = '33 99' ]; do sleep 0.05; done; stty size; sleep 100";
    let mut command =
        machine.0.command(&["run", "--rm", "-it", "--init", "--network", "none", "box", "sh", "-c", script]);
    let mut child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
    let mut user_side = std::fs::File::from(user_side);
    let mut output = String::new();
    while !output.contains("33 99") {
        let mut buffer = [0; 256];
        let length = user_side.read(&mut buffer).unwrap();
        output.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    user_side.write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{output}");
    let after = rustix::termios::tcgetattr(open()).unwrap();
    assert_eq!(format!("{:?}", after.local_modes), format!("{:?}", before.local_modes));
}
