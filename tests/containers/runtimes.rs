//! The same containers with other runtimes (`--runtime`).

use std::path::Path;
use std::process::Command;

use super::common::{Answer, has_programs, wait_until};
use super::machine::Machine;
use super::terminal::User;

const RUNTIMES: [&str; 2] = ["runc", "crun"];

/// A machine whose containers are started by another runtime than rbuild's own.
struct Foreign {
    machine: Machine,
    runtime: &'static str,
}

impl Foreign {
    fn each() -> Vec<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        if !has_programs_in(&path, &["unshare"]) {
            return Vec::new();
        }
        let there = RUNTIMES.iter().filter(|name| has_programs_in(&format!("{path}:/usr/sbin:/sbin"), &[name]));
        there.filter_map(|runtime| Some(Self { machine: Machine::new()?, runtime })).collect()
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments))
    }

    /// crun refuses to work if a cgroup v2 hierarchy has controllers beside v1, as here perhaps: then it is hidden.
    fn command(&self, arguments: &[&str]) -> Command {
        let unified = Path::new("/sys/fs/cgroup/unified/cgroup.controllers");
        if self.runtime != "crun" || !unified.exists() {
            return self.machine.0.command(arguments);
        }
        let plain = self.machine.0.command(arguments);
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", "umount /sys/fs/cgroup/unified; exec \"$0\" \"$@\""]);
        command.arg(plain.get_program()).args(plain.get_args());
        command.current_dir(plain.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
        for (key, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().stdout().trim_end().to_owned()
    }

    #[track_caller]
    fn start(&self, name: &str, options: &[&str], script: &str) {
        let first = ["run", "-d", "--runtime", self.runtime, "--name", name];
        self.says(&[&first, options, &["busybox", "sh", "-c", script]].concat());
    }

    /// Nothing is left of a container that has ended.
    #[track_caller]
    fn assert_nothing_runs(&self, id: &str) {
        let cgroups = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let left = |folder: &Path| folder.join("rbuild").join(id).exists();
        let found: Vec<_> = cgroups.map(|entry| entry.path()).filter(|folder| left(folder)).collect();
        assert!(found.is_empty(), "{}: {found:?}", self.runtime);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(id), "{}", self.runtime);
        let state = self.machine.0.root().join("containers").join(id).join("oci/state");
        assert!(!state.exists(), "{}", self.runtime);
    }
}

fn has_programs_in(path: &str, names: &[&str]) -> bool {
    let exists = |name: &&str| std::env::split_paths(path).any(|folder| folder.join(name).is_file());
    names.iter().all(exists) || has_programs(names)
}

/// What a program can find out about its environment.
const LOOK: &str = "id; hostname; pwd; env | sort; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; ulimit -n; \
    cat /data/file /proc/sys/net/ipv4/ping_group_range; touch /denied 2>&1; ls -ld /shm-like /dev/shm; \
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes; ls /sys/firmware /proc/acpi 2>&1; cat /etc/hosts | wc -l; exit 7";

#[test]
fn the_same_container() {
    let options = [
        "--name",
        "box",
        "--network",
        "none",
        "--hostname",
        "there",
        "-e",
        "A=1",
        "-w",
        "/usr/bin",
        "--cap-drop",
        "CHOWN",
        "--cap-add",
        "SYS_TIME",
        "--ulimit",
        "nofile=100:200",
        "--tmpfs",
        "/shm-like:size=1m",
        "--read-only",
        "-m",
        "32m",
        "--sysctl",
        "net.ipv4.ping_group_range=1 1",
        "--security-opt",
        "no-new-privileges",
        "--shm-size",
        "2m",
        "--init",
        "--rm",
    ];
    for foreign in Foreign::each() {
        let folder = foreign.machine.0.write("data/file", "shared\n").parent().unwrap().display().to_string();
        let volume = format!("{folder}:/data:ro");
        let look = |runtime: &str| {
            let first = ["run", "--runtime", runtime, "-v", &volume];
            let answer = foreign.run(&[&first, options.as_slice(), &["busybox", "sh", "-c", LOOK]].concat());
            assert_eq!(answer.code(), Some(7), "{runtime}: {}{}", answer.stdout(), answer.stderr());
            answer.stdout()
        };
        let (own, other) = (look("rbuild"), look(foreign.runtime));
        assert!(own.contains("there\n/usr/bin\n") && own.contains("33554432"), "{own}");
        // Differences that are due to a runtime's own way of starting programs.
        let known = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.contains("CapInh") && !line.contains("CapAmb"));
            lines
                .filter(|line| !line.contains(" /dev/shm") && !line.contains(" /shm-like"))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(known(&own), known(&other), "{}", foreign.runtime);
    }
}

#[test]
fn a_life() {
    for foreign in Foreign::each() {
        let script = "trap 'echo term; exit 5' TERM; echo up; while true; do sleep 0.05; done";
        foreign.start("box", &["--network", "none", "-m", "32m"], script);
        foreign.machine.until(&["logs", "box"], |text| text == "up\n");
        let id = foreign.says(&["inspect", "-f", "{{.Id}}", "box"]);
        assert_eq!(foreign.says(&["inspect", "-f", "{{.HostConfig.Runtime}}", "box"]), foreign.runtime);
        assert_eq!(
            foreign.says(&["exec", "-e", "B=2", "-w", "/etc", "-u", "7", "box", "sh", "-c", "echo $B; pwd; id -u"]),
            "2\n/etc\n7"
        );
        for (options, code) in [(&["exec", "box"] as &[_], 127), (&["exec", "-d", "box"], 1)] {
            let said = foreign.run(&[options, &["no-such-program"]].concat()).fails(code).stderr();
            assert_eq!(said.matches("no-such-program").count(), 1, "{}: {said}", foreign.runtime);
        }
        foreign.run(&["exec", "box", "sh", "-c", "exit 9"]).fails(9);
        let limit = ["exec", "box", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        if Path::new("/sys/fs/cgroup/memory").exists() {
            assert_eq!(foreign.says(&limit), "33554432");
            foreign.says(&["update", "-m", "64m", "--memory-swap", "64m", "box"]);
            assert_eq!(foreign.says(&limit), "67108864");
        }
        foreign.says(&["pause", "box"]);
        assert!(foreign.says(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
        foreign.says(&["unpause", "box"]);
        assert!(foreign.says(&["top", "box"]).contains("trap"), "{}", foreign.runtime);
        foreign.says(&["exec", "box", "touch", "/made"]);
        assert_eq!(foreign.says(&["diff", "box"]), "A /made");
        foreign.says(&["stop", "box"]);
        assert_eq!(foreign.says(&["wait", "box"]), "5");
        assert_eq!(foreign.says(&["logs", "box"]), "up\nterm");
        foreign.assert_nothing_runs(&id);
        foreign.says(&["start", "box"]);
        foreign.says(&["kill", "box"]);
        assert_eq!(foreign.says(&["wait", "box"]), "137");
        foreign.says(&["rm", "box"]);
        foreign.start("again", &["--network", "none", "--restart", "on-failure:2"], "echo run; exit 3");
        assert_eq!(foreign.says(&["wait", "again"]), "3");
        assert_eq!(foreign.says(&["logs", "again"]), "run\nrun\nrun");
        let removed = ["run", "--rm", "--network", "none", "-i", "--runtime", foreign.runtime, "busybox", "cat"];
        let mut command = foreign.command(&removed);
        let input = foreign.machine.0.write("input", "through a pipe");
        command.stdin(std::fs::File::open(input).unwrap());
        assert_eq!(Answer::of(command).ok().stdout(), "through a pipe");
    }
}

#[test]
fn a_monitor_that_is_killed_takes_its_container_along() {
    for foreign in Foreign::each() {
        foreign.start("box", &["--network", "none"], "sleep 1000");
        let id = foreign.says(&["inspect", "-f", "{{.Id}}", "box"]);
        let (program, monitor) =
            (foreign.machine.state_number("box", "Pid"), foreign.machine.state_number("box", "MonitorPid"));
        let kill = |pid: i32| {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        };
        kill(monitor);
        let cgroup = Path::new("/sys/fs/cgroup/pids/rbuild").join(&id);
        let process = format!("/proc/{program}");
        wait_until("the container is gone", || !Path::new(&process).exists() && !cgroup.exists());
        assert!(foreign.says(&["ps", "-a", "--format", "{{.Status}}"]).starts_with("Exited (137)"));
        foreign.says(&["start", "box"]);
        assert_eq!(foreign.says(&["exec", "box", "echo", "back"]), "back");
        kill(foreign.machine.state_number("box", "Pid"));
        assert_eq!(foreign.says(&["wait", "box"]), "137");
        foreign.assert_nothing_runs(&id);
    }
}

#[test]
fn a_terminal() {
    for foreign in Foreign::each() {
        let mut user = User::new(30, 90);
        let arguments = ["run", "-it", "--rm", "--network", "none", "--runtime", foreign.runtime, "busybox", "sh"];
        let mut session = user.attach_to(foreign.command(&arguments));
        user.types("stty size; echo re''ady\n");
        user.reads("30 90");
        user.reads("ready");
        user.types("exit 4\n");
        assert_eq!(session.wait().unwrap().code(), Some(4), "{}", foreign.runtime);
    }
}

#[test]
fn what_can_not_be_is_said_before_anything_is_made() {
    let Some(machine) = Machine::new() else { return };
    let missing = machine.run(&["run", "--runtime", "no-such-runtime", "busybox", "true"]).fails(125).stderr();
    assert!(
        missing.contains("unknown or invalid runtime name: no-such-runtime") && missing.contains("install"),
        "{missing}"
    );
    assert_eq!(machine.says(&["ps", "-aq"]), "");
    assert!(machine.says(&["info"]).contains("Default Runtime: rbuild"));
    for foreign in Foreign::each() {
        foreign.start("other", &["--network", "none", "--ipc", "shareable"], "sleep 100");
        let options = ["run", "--rm", "--network", "none", "--runtime", foreign.runtime, "--ipc", "container:other"];
        let refused = foreign.run(&[&options, ["busybox", "true"].as_slice()].concat()).fails(125).stderr();
        assert!(refused.contains("does not support the IPC namespace"), "{refused}");
        let gone = foreign.run(&["run", "--rm", "--network", "none", "--runtime", foreign.runtime, "busybox", "nope"]);
        assert!(gone.fails(127).stderr().contains("nope"), "{}", foreign.runtime);
    }
}
