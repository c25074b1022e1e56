//! `rbuild run`, as root and as an ordinary user with subordinate IDs.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const BUSYBOX: &str = "/bin/busybox";

fn skip(reason: &str) {
    assert!(std::env::var_os("RBUILD_TEST_NO_SKIP").is_none(), "must not be skipped: {reason}");
    println!("skipped: {reason}");
}

/// A store with the image `box`, and who uses it.
struct Machine {
    directory: tempfile::TempDir,
    /// Not root.
    user: Option<String>,
}

impl Machine {
    fn of_root() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("needs root");
            return None;
        }
        Self::new(None)
    }

    /// An ordinary user of this machine with subordinate IDs.
    fn of_user() -> Option<Self> {
        let subordinates = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
        let user = subordinates.lines().filter_map(|line| line.split(':').next()).find(|user| *user != "root");
        match user {
            Some(user) if rustix::process::geteuid().is_root() => Self::new(Some(user.to_owned())),
            _ => {
                skip("needs root, and a user with subordinate IDs (useradd)");
                None
            }
        }
    }

    fn new(user: Option<String>) -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            skip("needs busybox-static");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        // By another process: a descriptor that a fork of this one still has would make it "busy" (ETXTBSY).
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_rbuild")).arg(directory.path()).status().unwrap();
        assert!(copied.success());
        std::fs::write(directory.path().join("base.tar"), base_layer()).unwrap();
        let machine = Self { directory, user };
        let archive = machine.path("base.tar");
        let output = machine.rbuild(&["import", archive.to_str().unwrap(), "box"]);
        assert!(output.status.success(), "{output:?}");
        Some(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = self.path("rbuild");
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--init-groups"]).arg(program);
                command
            }
        };
        command.args(arguments).env("RBUILD_ROOT", self.path("store")).env("RUST_BACKTRACE", "0");
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    fn rbuild(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a shell script in a container; gives the exit code and what it printed.
    fn shell(&self, options: &[&str], script: &str) -> (i32, String) {
        let arguments = [&["run", "--rm", "--network", "none"], options, &["box", "sh", "-c", script]].concat();
        let output = self.rbuild(&arguments);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn base_layer() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).unwrap();
    };
    add("etc/passwd", 0o644, b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
    add("etc/group", 0o644, b"root:x:0:\napp:x:1000:\nmore:x:50:app\n");
    add("bin/busybox", 0o755, &std::fs::read(BUSYBOX).unwrap());
    for name in ["sh", "cat", "id", "ls", "echo", "sleep", "pwd", "env", "chown", "stty", "touch"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn exit_codes() {
    let Some(machine) = Machine::of_root() else { return };
    assert_eq!(machine.shell(&[], "exit 7").0, 7);
    assert_eq!(machine.shell(&["--init"], "kill -15 $$").0, 143);
    let code = |arguments: &[&str]| machine.rbuild(arguments).status.code();
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
    assert_eq!(output, "uid=1000(app) gid=1000(app) groups=50(more)\n/new/place\n1 /home/app\n");
    let (_, output) =
        machine.shell(&["--hostname", "name", "--add-host", "db:10.0.0.9"], "cat /etc/hostname /etc/hosts");
    assert!(output.starts_with("name\n") && output.contains("10.0.0.9\tdb\n"), "{output}");
    let (code, output) = machine.shell(&["--read-only"], "echo x > /x");
    assert!(code == 1 && output.contains("Read-only"), "{output}");
    let (_, output) = machine.shell(&["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn");
    assert_eq!(output, "100\n200\n");
    let (_, output) = machine.shell(&["--init"], "echo $$; cat /proc/1/stat | { read a b c; echo $b; }");
    assert!(output.starts_with("2\n"), "{output}");
    std::fs::create_dir_all(machine.path("files")).unwrap();
    std::fs::write(machine.path("files/test.txt"), "on the host\n").unwrap();
    let (code, output) = machine.shell(&["-v", "./files:/files:ro"], "cat /files/test.txt; echo x > /files/y");
    assert!(code == 1 && output.starts_with("on the host\n") && output.contains("Read-only"), "{output}");
    assert!(!machine.path("files/y").exists());
}

#[test]
fn input_passes_through() {
    let Some(machine) = Machine::of_root() else { return };
    let mut command = machine.command(&["run", "--rm", "-i", "--network", "none", "box", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"some words").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"some words");
    let output = machine.rbuild(&["run", "--rm", "-it", "--network", "none", "box", "cat"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a terminal"));
}

#[test]
fn a_container_outlives_the_rbuild_that_started_it() {
    let Some(machine) = Machine::of_root() else { return };
    let script = "echo started; while true; do sleep 0.01; echo beat; done";
    let mut command =
        machine.command(&["run", "--rm", "--name", "lasting", "--network", "none", "box", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 8]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = machine.rbuild(&["ps", "--format", "{{.Names}} {{.State}}"]);
    assert_eq!(shown.stdout, b"lasting running\n");
    assert!(machine.rbuild(&["rm", "-f", "lasting"]).status.success());
    let left = std::fs::read_dir(machine.path("store/containers")).unwrap().count();
    assert_eq!(left, 1, "only the folder of names");
}

#[test]
fn signals_are_passed_on() {
    let Some(machine) = Machine::of_root() else { return };
    let script = "trap 'exit 3' TERM; echo ready; while true; do sleep 0.01; done";
    let mut command = machine.command(&["run", "--rm", "--network", "none", "box", "sh", "-c", script]);
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
    // The size arrives after the program has begun.
    let script = "until [ \"$(stty size)\" = '33 99' ]; do sleep 0.05; done; stty size; sleep 100";
    let mut command =
        machine.command(&["run", "--rm", "-it", "--init", "--network", "none", "box", "sh", "-c", script]);
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
