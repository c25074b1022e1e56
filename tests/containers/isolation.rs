//! What a container must not see or reach, tried from inside.

use super::machine::Machine;

#[test]
fn nothing_of_the_host_is_visible() {
    let Some(machine) = Machine::new() else { return };
    let host_file = machine.0.write("host-file", "secret");
    let script = format!(
        "ls /proc | grep -c '^[0-9]'; cat {} 2>&1; cut -d' ' -f5 /proc/self/mountinfo | grep -c /work; \
         ls /dev | tr '\\n' ' '; echo",
        host_file.display()
    );
    let (code, text) = machine.script(&[], &script);
    assert_eq!(code, 0, "{text}");
    let mut lines = text.lines();
    let processes: usize = lines.next().unwrap().parse().unwrap();
    assert!(processes <= 4, "{text}");
    assert!(lines.next().unwrap().contains("No such file"), "{text}");
    assert_eq!(lines.next(), Some("0"), "{text}");
    let devices = lines.next().unwrap();
    for device in devices.split_whitespace() {
        let usual = [
            "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
            "urandom", "zero", "console",
        ];
        assert!(usual.contains(&device), "{device}");
    }
}

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let Some(machine) = Machine::new() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The thread ends with the process, and closes all connections.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let reach = |options: &[&str], script: &str| {
        let arguments = [&["run", "--rm"], options, &["busybox", "sh", "-c", script]].concat();
        machine.run(&arguments).stdout()
    };
    let own = format!("nc -w 1 127.0.0.1 {port} </dev/null && echo reached");
    assert_eq!(reach(&["--network", "none"], &own), "");
    if super::common::is_root() {
        assert_eq!(reach(&[], &own), "");
        let gateway = format!("nc -w 1 $(ip route | awk '/^default/ {{print $3}}') {port} </dev/null && echo reached");
        assert_eq!(reach(&[], &gateway), "");
        // There is something that can be reached.
        assert_eq!(reach(&["--network", "host"], &own.replace("-w 1 ", "-w 60 ")), "reached\n");
    }
}

#[test]
fn masked_paths_and_devices() {
    let Some(machine) = Machine::new() else { return };
    let script = "cat /proc/kcore /proc/keys 2>/dev/null | wc -c; ls /sys/firmware | wc -l; \
                  echo x > /proc/sys/kernel/hostname; echo b > /proc/sysrq-trigger; \
                  mknod /disk b 8 0 && cat /disk; mount -t tmpfs none /mnt; echo end";
    let (_, text) = machine.script(&[], script);
    assert!(text.starts_with("0\n0\n") && text.contains("end"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(text.contains("ermission denied") || text.contains("not permitted"), "{text}");
}

#[test]
fn the_runtime_is_out_of_reach() {
    let Some(machine) = Machine::new() else { return };
    // The targets of CVE-2024-21626 and CVE-2019-5736: a descriptor of the host, and the runtime's own file.
    let (_, text) = machine.script(&["-w", "/proc/self/fd/8"], "pwd");
    assert!(!text.contains("/work"), "{text}");
    let script = "ls /proc/self/fd | wc -l; for f in 3 4 5 6 7 8 9 10; do readlink /proc/self/fd/$f; done; \
                  readlink /proc/1/exe; (echo x >> /proc/1/exe) 2>&1; true";
    let (_, text) = machine.script(&[], script);
    assert!(text.contains("/bin/busybox"), "{text}");
    machine.start("held", &[], "sleep 100");
    // A program that is started in a container can't be caught while it still is the runtime.
    let watch = "for i in $(seq 300); do for p in /proc/[0-9]*; do readlink $p/exe; done; done | sort -u";
    let mut watcher = machine.0.command(&["exec", "held", "sh", "-c", watch]);
    let watcher = watcher.stdout(std::process::Stdio::piped()).spawn().unwrap();
    for _ in 0..5 {
        machine.says(&["exec", "held", "true"]);
    }
    let seen = String::from_utf8(watcher.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.lines().all(|line| line == "/bin/busybox"), "{seen}");
}

/// Not a test, but a program for containers, which makes system calls that no program of the image makes.
#[test]
fn probe() {
    if std::env::var_os("RBUILD_TEST_PROBE").is_none() {
        return;
    }
    println!("euid {}", rustix::process::geteuid().as_raw());
    let said = |result: libc::c_long| match result {
        -1 => std::io::Error::last_os_error().raw_os_error().map_or("?", |errno| match errno {
            libc::EPERM => "EPERM",
            libc::ENOSYS => "ENOSYS",
            _ => "another error",
        }),
        _ => "allowed",
    };
    // SAFETY: plain numbers, and text that lives longer than the calls.
    unsafe {
        println!("keyctl {}", said(libc::syscall(libc::SYS_keyctl, 0, -3, 1)));
        let (kind, name, payload) = (c"user".as_ptr(), c"rbuild".as_ptr(), c"x".as_ptr());
        println!("add_key {}", said(libc::syscall(libc::SYS_add_key, kind, name, payload, 1, -3)));
        println!("request_key {}", said(libc::syscall(libc::SYS_request_key, kind, name, std::ptr::null::<u8>(), -3)));
    }
}

/// The probe's output in a container with these options. It is set-user-ID root.
fn probe_says(machine: &Machine, options: &[&str]) -> String {
    let path = machine.0.work().join("probe");
    if !path.exists() {
        // Copied by another process, so that no thread of this one holds it open for writing.
        let own = std::env::current_exe().unwrap();
        super::common::must_run("cp", &[&own.display().to_string(), &path.display().to_string()]);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    }
    let mount = format!("{}:/probe:ro", path.display());
    // It is linked to the host's C library.
    let libraries = ["-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro", "-v", "/usr/lib:/usr/lib:ro"];
    let first = ["run", "--rm", "--network", "none", "-v", &mount, "-e", "RBUILD_TEST_PROBE=1"];
    let rest = ["busybox", "/probe", "--exact", "isolation::probe", "--nocapture", "--test-threads", "1"];
    machine.says(&[first.as_slice(), libraries.as_slice(), options, rest.as_slice()].concat())
}

#[test]
fn no_new_privileges_means_none() {
    let Some(machine) = Machine::new() else { return };
    if !super::common::is_root() {
        return super::common::skip("a program of root's needs root");
    }
    let user = ["-u", "1000"];
    assert!(probe_says(&machine, &user).contains("euid 0\n"));
    let none = [user.as_slice(), &["--security-opt", "no-new-privileges"]].concat();
    assert!(probe_says(&machine, &none).contains("euid 1000\n"));
    let (_, status) = machine.script(&["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status");
    assert_eq!(status.trim(), "NoNewPrivs:\t1");
}

#[test]
fn limits_hold() {
    let Some(machine) = Machine::new() else { return };
    if !super::common::is_root() {
        super::common::skip("cgroups need root");
        return;
    }
    let bomb = "f() { sleep 100 & }; i=0; while [ $i -lt 100 ]; do f; i=$((i+1)); done; echo survived";
    let (_, text) = machine.script(&["--pids-limit", "20"], bomb);
    assert!(text.contains("fork") || text.contains("esource"), "{text}");
    assert!(machine.script(&["--pids-limit", "200"], bomb).1.contains("survived"));
    let eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ate";
    machine.start("eater", &["-m", "24m", "--memory-swap", "24m"], eat);
    assert_ne!(machine.says(&["wait", "eater"]), "0");
    assert_eq!(machine.field("eater", "{{.State.OOMKilled}}"), "true");
    let (code, said) = machine.script(&["-m", "24m", "--memory-swap", "24m"], eat);
    assert!(code != 0 && said.contains("reached its memory limit"), "{said}");
}

#[test]
fn keys_of_the_host_are_not_there() {
    let Some(machine) = Machine::new() else { return };
    let (_, inside) = machine.script(&[], "cat /proc/keys 2>/dev/null | wc -c");
    assert_eq!(inside.trim(), "0");
    let said = probe_says(&machine, &[]);
    for call in ["keyctl", "add_key", "request_key"] {
        assert!(said.contains(&format!("{call} EPERM")), "{said}");
    }
    // Without confinement, the probe reports more.
    let unconfined = probe_says(&machine, &["--security-opt", "seccomp=unconfined"]);
    assert!(unconfined.contains("keyctl allowed"), "{unconfined}");
}

/// Mounts of the host's `/dev`, `/proc` and `/sys` that docker's users give to containers.
#[test]
fn standard_places_can_be_the_users() {
    let Some(machine) = Machine::new() else { return };
    let says = |options: &[&str], script: &str| {
        let (code, text) = machine.script(options, script);
        assert_eq!(code, 0, "{options:?}: {text}");
        text
    };
    let usual = "echo x > /dev/null && head -c 2 /dev/zero | wc -c && head -c 2 /dev/urandom | wc -c";
    for options in [&[][..], &["-v", "/dev:/dev"], &["--tmpfs", "/dev"], &["--mount", "type=tmpfs,dst=/dev"]] {
        assert_eq!(says(options, usual), "2\n2\n");
        let terminal = [options, &["-t"]].concat();
        assert_eq!(says(&terminal, "echo x > /dev/console; tty").trim_end(), "x\r\n/dev/pts/0");
    }
    assert_eq!(says(&["--tmpfs", "/dev"], "ls /dev | tr '\\n' ' '"), says(&[], "ls /dev | tr '\\n' ' '"));
    for options in [&["--privileged"][..], &["--privileged", "--tmpfs", "/dev"], &["--privileged", "-v", "/dev:/dev"]] {
        assert_eq!(
            says(options, "test -c /dev/full && ls -d /dev/ptmx && head -c 2 /dev/zero | wc -c"),
            "/dev/ptmx\n2\n"
        );
    }
    let given = ["--device", "/dev/full:/dev/given"];
    for options in [&[][..], &["--tmpfs", "/dev"]] {
        assert_eq!(says(&[options, &given].concat(), "cat /dev/given | head -c 2 | wc -c"), "2\n");
    }
    let answer = machine.script(&["-v", "/dev:/dev", "--device", "/dev/full:/dev/rbuild-given"], "true");
    assert_ne!(answer.0, 0);
    assert!(!std::path::Path::new("/dev/rbuild-given").exists());
    // A single device that every container may open.
    assert_eq!(
        says(
            &["-v", "/dev/null:/etc/nothing", "-v", "/dev/zero:/dev/foo"],
            "cat /etc/nothing; head -c 2 /dev/foo | wc -c"
        ),
        "2\n"
    );
    assert_eq!(says(&["-v", "/sys:/sys"], "ls /sys/class | grep -c net"), "1\n");
    assert_eq!(says(&["-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro"], "ls -d /sys/fs/cgroup"), "/sys/fs/cgroup\n");
    assert_eq!(says(&["-v", "/sys/fs/cgroup"], "echo x > /sys/fs/cgroup/file; cat /sys/fs/cgroup/file"), "x\n");
    assert_eq!(says(&["-v", "/proc:/host/proc"], "cat /host/proc/1/comm | wc -l"), "1\n");
    assert_eq!(says(&["--tmpfs", "/dev/shm"], "echo x > /dev/shm/file; cat /dev/shm/file"), "x\n");
    assert_eq!(says(&["-v", "memory:/dev/shm"], "echo x > /dev/shm/file; cat /dev/shm/file"), "x\n");
    for options in [&["--init"][..], &["--init", "-u", "nobody"]] {
        assert_eq!(says(options, "echo said > /proc/1/fd/1"), "said\n");
    }
    let uptime = machine.0.write("uptime", "1.00 1.00\n").display().to_string();
    assert_eq!(says(&["-v", &format!("{uptime}:/proc/uptime")], "cat /proc/uptime"), "1.00 1.00\n");
}

/// Something is mounted where a link of the image leads, even if its target is missing.
#[test]
fn mounts_follow_links_of_the_image() {
    let Some(machine) = Machine::new() else { return };
    let text = "FROM busybox\nRUN ln -s ../run/a/b /etc/relative && ln -s /new/place /absolute && ln -s /loop /loop\n";
    machine.0.build_text(text, &["-t", "links"]).ok();
    let file = machine.0.write("file", "text\n").display().to_string();
    let run = |place: &str, script: &str| {
        let mount = format!("{file}:{place}");
        machine.run(&["run", "--rm", "--network", "none", "-v", &mount, "links", "sh", "-c", script])
    };
    assert_eq!(run("/etc/relative", "cat /etc/relative /run/a/b").ok().stdout(), "text\ntext\n");
    assert_eq!(run("/absolute/x/y", "cat /new/place/x/y").ok().stdout(), "text\n");
    assert_ne!(run("/loop/x", "true").code(), Some(0));
}

/// The working directory is entered with its user's rights, and with root's if those are not sufficient.
#[test]
fn the_working_folder_is_the_users() {
    let Some(machine) = Machine::new() else { return };
    let (code, text) =
        machine.script(&["-u", "nobody", "-w", "/root"], "pwd; id -u; id -g; ls . 2>&1 | grep -c denied");
    assert_eq!((code, text.as_str()), (0, "/root\n65534\n65534\n1\n"), "{text}");
    let (code, text) = machine.script(&["-u", "nobody", "-w", "/made/here"], "pwd; stat -c %u .");
    assert_eq!((code, text.as_str()), (0, "/made/here\n0\n"));
    machine.start("box", &["-u", "nobody"], "sleep 1000");
    assert_eq!(machine.says(&["exec", "-w", "/tmp", "box", "sh", "-c", "pwd; id -G"]), "/tmp\n65534");
    let (code, text) = machine.script(&["-w", "/etc/passwd"], "true");
    assert_eq!(code, 125, "{text}");
}
