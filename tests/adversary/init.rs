//! The container's init while it still has the host's rights: nothing that an image, a volume or another container
//! provides is mistaken for rbuild's own.

use std::process::{Command, Stdio};

use crate::common::{Answer, is_root, skip};
use crate::fixtures::{Canary, Setting, Tar, add_image, everybody, with_attacker};
use crate::machine::Machine;

const CORE_PATTERN: &str = Setting::CORE_PATTERN;

/// Runs a script in a container, whether it starts or not.
fn run(machine: &Machine, options: &[&str], image: &str, script: &str) -> Answer {
    machine
        .run(&[&["run", "--rm", "--network", "none"], options, &[image, "/bin/busybox", "sh", "-c", script]].concat())
}

/// Busybox with these files below `/`, whatever their names.
fn image(machine: &Machine, name: &str, files: Tar, more: &str) {
    let folder = format!("ctx-{name}");
    machine.0.write(&format!("{folder}/d.tar"), files.bytes());
    let text = format!("FROM scratch\nADD d.tar /\nCOPY --from=busybox /bin /bin\n{more}\n");
    machine.0.write(&format!("{folder}/Dockerfile"), text);
    machine.0.run(&["build", "-q", "-t", name, &folder]).ok();
}

/// Writes through everything that could be the cover of a masked path.
const WRITE_TO_MASKED: &str =
    "for f in interrupts keys kcore timer_list sched_debug; do echo pwned > /proc/$f; done 2>/dev/null; true";

#[test]
fn what_hides_is_never_of_the_image() {
    for (name, machine) in everybody() {
        let setting = Setting::new(CORE_PATTERN);
        let null = |prefix: &str| Tar::new().link(&format!("{prefix}null"), CORE_PATTERN);
        add_image(&machine.0, "volume", null("dev/"), "VOLUME /dev");
        run(&machine, &[], "volume", WRITE_TO_MASKED);
        setting.assert_untouched();
        image(&machine, "link", null("vol/").link("dev", "/vol"), "VOLUME /vol");
        run(&machine, &[], "link", WRITE_TO_MASKED);
        setting.assert_untouched();
        image(&machine, "relative", null("a/b/").link("dev", "a/./b/../b"), "VOLUME /a/b");
        run(&machine, &[], "relative", WRITE_TO_MASKED);
        setting.assert_untouched();
        let folder = machine.0.work().join("dev");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(CORE_PATTERN, folder.join("null")).unwrap();
        let folder = folder.display().to_string();
        for options in [
            vec!["-v".to_owned(), format!("{folder}:/dev")],
            vec!["-v".to_owned(), format!("{folder}:/dev:ro")],
            vec!["--mount".to_owned(), format!("type=bind,src={folder},dst=/x/../dev")],
            vec!["-v".to_owned(), format!("{folder}:/dev/pts"), "-v".to_owned(), format!("{folder}:/dev/shm")],
        ] {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            run(&machine, &options, "busybox", WRITE_TO_MASKED);
            setting.assert_untouched();
        }
        println!("{name}");
    }
}

#[test]
fn what_hides_is_never_of_a_stage() {
    for (_, machine) in everybody() {
        let setting = Setting::new(CORE_PATTERN);
        machine.0.write("ctx/d.tar", Tar::new().link("null", CORE_PATTERN).bytes());
        for mount in [
            "type=bind,from=d,source=/d,target=/dev",
            "type=bind,from=d,source=/d,target=/dev,rw",
            "type=cache,from=d,source=/d,target=/dev",
            "type=bind,from=d,source=/d/null,target=/dev/null",
            "type=tmpfs,target=/dev",
        ] {
            let text = format!(
                "FROM busybox AS d\nADD d.tar /d/\nFROM busybox\nRUN --mount={mount} {WRITE_TO_MASKED}\n\
                 RUN --mount={mount} ln -sf {CORE_PATTERN} /dev/null; echo x > /proc/interrupts; true\n"
            );
            machine.0.build_text(&text, &["--no-cache"]);
            setting.assert_untouched();
        }
    }
}

#[test]
fn kernel_parameters_are_set_in_the_kernels_own_files() {
    for (_, machine) in everybody() {
        let setting = Setting::new(CORE_PATTERN);
        let fake = |prefix: &str| Tar::new().link(&format!("{prefix}net/core/somaxconn"), CORE_PATTERN);
        add_image(&machine.0, "net", fake("proc/sys/"), "VOLUME /proc/sys/net");
        add_image(&machine.0, "core", fake("proc/sys/"), "VOLUME /proc/sys/net/core");
        add_image(&machine.0, "whole", fake("proc/sys/"), "VOLUME /proc");
        image(&machine, "link", fake("vol/sys/").link("proc", "/vol"), "VOLUME /vol");
        image(&machine, "deep", fake("vol/").link("v", "/proc/sys"), "VOLUME /v/net");
        for name in ["net", "core", "whole", "link", "deep", "busybox"] {
            let answer =
                run(&machine, &["--sysctl", "net.core.somaxconn=1024"], name, "cat /proc/sys/net/core/somaxconn");
            setting.assert_untouched();
            // Either it was set in the right place, or nothing was started.
            assert_eq!(answer.code() == Some(0), answer.stdout() == "1024\n", "{name}: {}", answer.stderr());
        }
        assert_eq!(run(&machine, &["--sysctl", "net.core.somaxconn=1024"], "busybox", "true").code(), Some(0));
    }
}

#[test]
fn the_kernels_files_are_not_replaced() {
    for (_, machine) in everybody() {
        let setting = Setting::new(CORE_PATTERN);
        let links = Tar::new()
            .link("sysctl", "/proc/sys/kernel")
            .link("pattern", CORE_PATTERN)
            .link("up", "proc/../proc/fs")
            .link("root", "/")
            .link("firmware", "/sys/firmware")
            .link("devices", "/dev");
        image(&machine, "links", links, "");
        let folder = machine.0.work().join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("core_pattern"), "").unwrap();
        let (folder, file) = (folder.display().to_string(), folder.join("core_pattern").display().to_string());
        let binds = ["/sysctl", "/up", "/root", "/firmware", "/devices", "/proc", "/proc/fs", "/sys", "/root/proc/bus"];
        let binds = binds.map(|place| format!("type=bind,src={folder},dst={place}"));
        let files = ["/pattern", "/sysctl/core_pattern", "/proc/self/oom_score_adj", "/proc/sysrq-trigger"];
        let files = files.map(|place| format!("type=bind,src={file},dst={place}"));
        let memory = ["/sysctl", "/root", "/proc", "/proc/self", "/proc/new", "/sys/new", "/sys/fs/cgroup/new", "/sys"];
        let memory = memory.map(|place| format!("type=tmpfs,dst={place}"));
        for mount in binds.iter().chain(&files).chain(&memory) {
            let answer = run(&machine, &["--mount", mount], "links", "echo x > /proc/sys/kernel/core_pattern; true");
            setting.assert_untouched();
            assert_ne!(answer.code(), Some(0), "{mount}");
            assert!(
                ["mounted on", "cannot be mounted", "can't be made"].iter().any(|said| answer.stderr().contains(said)),
                "{mount}: {}",
                answer.stderr()
            );
        }
        let device = run(&machine, &["--device", "/dev/zero:/pattern"], "links", "true");
        assert_ne!(device.code(), Some(0));
    }
}

/// The command with folders of the host open, which it may inherit from its caller.
fn with_open_folders(mut command: Command, folder: &str) -> Command {
    let mut shell = Command::new("bash");
    let opened: Vec<String> = [4, 5, 6, 7, 8, 9, 10, 23].map(|number| format!("{number}<{folder}")).to_vec();
    shell.args(["-c", &format!("exec {}; exec \"$@\"", opened.join(" ")), "bash"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    command.stdin(Stdio::null());
    shell
}

#[test]
fn the_working_folder_is_in_the_container() {
    for (name, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let path = canary.path().display().to_string();
        machine.start("box", &[], "sleep 1000");
        let command = |arguments: &[&str]| Answer::of(with_open_folders(machine.0.command(arguments), &path));
        let script = "cat secret full/secret ../*/secret; ls -a; true";
        for number in 0..=24 {
            let folder = format!("/proc/self/fd/{number}");
            for arguments in [
                vec!["exec", "-w", &folder, "box", "sh", "-c", script],
                vec!["run", "--rm", "--network", "none", "-w", &folder, "busybox", "sh", "-c", script],
            ] {
                let answer = command(&arguments);
                canary.assert_not_in(answer.stdout() + &answer.stderr());
            }
        }
        for folder in ["/proc/1/cwd", "/proc/self/cwd", "/proc/self/task/1/cwd", "/dev/fd/9", "/dev/stdin"] {
            let answer = command(&["exec", "-w", folder, "box", "sh", "-c", script]);
            canary.assert_not_in(answer.stdout() + &answer.stderr());
        }
        // A descriptor that was passed for another purpose.
        let mut exec = machine.0.command(&["exec", "-i", "-w", "/proc/self/fd/0", "box", "sh", "-c", script]);
        exec.stdin(std::fs::File::open(canary.path()).unwrap());
        let answer = Answer::of(exec);
        canary.assert_not_in(answer.stdout() + &answer.stderr());
        println!("{name}");
    }
}

#[test]
fn the_working_folder_of_a_build_is_in_the_container() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let path = canary.path().display().to_string();
        for number in 3..=10 {
            let text = format!(
                "FROM busybox\nRUN ln -s /proc/self/fd/{number} /l\nWORKDIR /l\nRUN cat secret full/secret; ls -a; true\n"
            );
            machine.0.write("ctx/Dockerfile", text);
            let build = machine.0.command(&["build", "--no-cache", "--progress", "plain", "ctx"]);
            let answer = Answer::of(with_open_folders(build, &path));
            canary.assert_not_in(answer.stdout() + &answer.stderr());
        }
    }
}

#[test]
fn a_terminal_is_the_kernels() {
    for (_, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        machine.0.run(&["volume", "create", "fake"]).ok();
        // A FIFO would block rbuild; a file would be written to.
        for make in ["mkfifo /f/ptmx", "echo > /f/ptmx", "mknod /f/ptmx c 1 3"] {
            run(&machine, &["-v", "fake:/f"], "busybox", &format!("rm -f /f/ptmx; {make}"));
            machine.start("box", &["-v", "fake:/dev/pts"], "sleep 1000");
            let answer = machine.run(&["exec", "-t", "box", "true"]);
            assert_ne!(answer.code(), Some(0));
            assert!(answer.stderr().contains("/dev/pts"), "{}", answer.stderr());
            machine.says(&["rm", "-f", "box"]);
            // The kernel's own setting of the container is changed, whatever is visible.
            let answer =
                machine.run(&["run", "--rm", "-t", "--network", "none", "-v", "fake:/dev/pts", "busybox", "true"]);
            assert_eq!(answer.code(), Some(0), "{}", answer.stderr());
        }
        canary.assert_untouched();
    }
}

/// `exec` joins the container's own namespaces, and not those that it shares with the host.
#[test]
fn a_program_enters_a_container_that_has_the_hosts_namespaces() {
    for (name, machine) in everybody() {
        for (number, option) in ["--network=host", "--ipc=host", "--uts=host", "--pid=host"].iter().enumerate() {
            let container = format!("box{number}");
            machine.says(&["run", "-d", "--name", &container, option, "busybox", "sleep", "1000"]);
            assert_eq!(machine.says(&["exec", &container, "echo", "inside"]), "inside", "{name} {option}");
        }
    }
}

/// A container that shares its PID namespace sees a new container's init only once that has become the program.
#[test]
fn the_init_cannot_be_looked_into() {
    for (name, machine) in everybody() {
        machine.start("box", &[], "sleep 1000");
        let watch = "for i in $(seq 1500); do for p in /proc/[0-9]*; do readlink $p/exe; done; done | sort -u";
        let mut watcher = machine.0.command(&["exec", "box", "sh", "-c", watch]);
        let watcher = watcher.stdout(Stdio::piped()).spawn().unwrap();
        for _ in 0..8 {
            machine.says(&["run", "--rm", "--network", "none", "--pid", "container:box", "busybox", "true"]);
        }
        let seen = String::from_utf8(watcher.wait_with_output().unwrap().stdout).unwrap();
        assert!(seen.lines().all(|line| line == "/bin/busybox"), "{name}: {seen}");
    }
}

/// A program that may trace all processes of a container finds none with more rights than the container: neither the
/// one of `exec`, nor the one of another container that shares its PID namespace.
#[test]
fn nobody_comes_in_with_the_hosts_rights() {
    for (name, machine) in everybody() {
        let Some(machine) = with_attacker(machine) else { return };
        let canary = Canary::beside(&machine.0);
        let options = ["run", "-d", "--name", "box", "--network", "none", "--cap-add", "SYS_PTRACE", "attacker"];
        machine.says(&[&options[..], &["attacker", "trace", &canary.at("secret")]].concat());
        machine.until(&["logs", "box"], |log| log.contains("begun"));
        let ptrace = ["--cap-add", "SYS_PTRACE", "--network", "none", "--pid", "container:box"];
        for _ in 0..10 {
            assert_eq!(machine.says(&["exec", "box", "echo", "here"]), "here", "{name}");
            if is_early_in_shared_processes() {
                continue;
            }
            let plain = [&["run", "--rm"], &ptrace[..], &["busybox", "echo", "here"]].concat();
            assert_eq!(machine.says(&plain), "here", "{name}");
            let with_init = [&["run", "--rm", "--init", "-u", "7"], &ptrace[..], &["busybox", "echo", "here"]].concat();
            assert_eq!(machine.says(&with_init), "here", "{name}");
        }
        let log = machine.says(&["logs", "box"]);
        assert_eq!(log, "begun", "{name}");
    }
}

/// Whether the kernel can only mount a procfs for a PID namespace from inside of it.
fn is_early_in_shared_processes() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let is_older = (numbers.next(), numbers.next()) < (Some(6), Some(18));
    if is_older {
        eprintln!("Linux {release}: an init in shared processes can be traced there");
    }
    is_older
}

/// Shared memory of two containers is looked up in the first one's files, whose links may lead anywhere.
#[test]
fn memory_of_another_container_is_not_the_hosts() {
    if !is_root() {
        skip("only root's container can see the host's processes");
        return;
    }
    let Some(machine) = Machine::new() else { return };
    let canary = tempfile::Builder::new().prefix("rbuild-canary-").tempfile_in("/dev/shm").unwrap();
    let name = canary.path().file_name().unwrap().to_str().unwrap().to_owned();
    machine.says(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"]);
    machine.start(
        "box",
        &["--pid", "host", "-v", "memory:/a/b/shm"],
        "mv /a/b /a/c; ln -s /proc/1/root/dev /a/b; sleep 1000",
    );
    machine.until(&["exec", "box", "ls", "/a"], |names| names.contains('c'));
    let answer = run(&machine, &["-v", "memory:/m"], "busybox", "ls /m; rm -f /m/rbuild-canary-*");
    assert!(!answer.stdout().contains(&name), "{}", answer.stdout());
    assert!(canary.path().exists());
}

/// Finding out why a program can't be executed does not read all of it.
#[test]
fn a_program_may_be_of_any_size() {
    let Some(machine) = Machine::new().and_then(with_attacker) else { return };
    machine.start(
        "box",
        &[],
        "printf '#!/missing\\n' > /big; chmod 755 /big; truncate -s 4T /big; echo > /ready; sleep 1000",
    );
    machine.until(&["exec", "box", "ls", "/"], |names| names.contains("ready"));
    let answer = machine.run(&["exec", "box", "/big"]).fails(127);
    assert!(answer.stderr().contains("/missing"), "{}", answer.stderr());
}

/// The throttling counters of all CPUs are masked.
#[test]
fn what_the_host_does_is_hidden() {
    let folders = std::fs::read_dir("/sys/devices/system/cpu").unwrap().flatten();
    let some = folders.map(|entry| entry.path().join("thermal_throttle")).filter(|path| path.exists()).count();
    for (name, machine) in everybody() {
        let script = "cat /proc/interrupts /proc/keys /proc/timer_list /proc/sched_debug 2>/dev/null | wc -c; \
                      ls /sys/firmware /sys/devices/virtual/powercap 2>/dev/null | grep -v : | grep -c .; \
                      ls -d /sys/devices/system/cpu/cpu*/thermal_throttle 2>/dev/null | wc -l; \
                      ls /sys/devices/system/cpu/cpu*/thermal_throttle 2>/dev/null | grep -v : | grep -c .; true";
        for options in [&[][..], &["-v", "/sys:/sys"], &["-v", "/proc:/proc"], &["-v", "/sys/devices:/sys/devices"]] {
            let answer = run(&machine, options, "busybox", script);
            assert_eq!(answer.stdout(), format!("0\n0\n{some}\n0\n"), "{name} {options:?}: {}", answer.stderr());
        }
    }
}
