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
    // It ends with the process, and lets go of whoever reaches it.
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
        // There is something to be reached.
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
    // What CVE-2024-21626 and CVE-2019-5736 were about: a descriptor of the host, and the runtime's own file.
    let (_, text) = machine.script(&["-w", "/proc/self/fd/8"], "pwd");
    assert!(!text.contains("/work"), "{text}");
    let script = "ls /proc/self/fd | wc -l; for f in 3 4 5 6 7 8 9 10; do readlink /proc/self/fd/$f; done; \
                  readlink /proc/1/exe; (echo x >> /proc/1/exe) 2>&1; true";
    let (_, text) = machine.script(&[], script);
    assert!(text.contains("/bin/busybox"), "{text}");
    machine.start("held", &[], "sleep 100");
    // A program that is started in a container for a moment can't be caught with the runtime in it.
    let watch = "for i in $(seq 300); do for p in /proc/[0-9]*; do readlink $p/exe; done; done | sort -u";
    let mut watcher = machine.0.command(&["exec", "held", "sh", "-c", watch]);
    let watcher = watcher.stdout(std::process::Stdio::piped()).spawn().unwrap();
    for _ in 0..5 {
        machine.says(&["exec", "held", "true"]);
    }
    let seen = String::from_utf8(watcher.wait_with_output().unwrap().stdout).unwrap();
    assert!(seen.lines().all(|line| line == "/bin/busybox"), "{seen}");
}

/// Not a test, but what the tests run inside of containers: this program, to make calls that no program of the image makes.
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

/// What the probe says in a container with these options. It has the set-user-ID bit, and is root's.
fn probe_says(machine: &Machine, options: &[&str]) -> String {
    let path = machine.0.work().join("probe");
    if !path.exists() {
        // By another process, so that no thread of this one holds it open for writing.
        let own = std::env::current_exe().unwrap();
        super::common::must_run("cp", &[&own.display().to_string(), &path.display().to_string()]);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    }
    let mount = format!("{}:/probe:ro", path.display());
    // It is linked with the host's C library.
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
    // The probe would tell.
    let unconfined = probe_says(&machine, &["--security-opt", "seccomp=unconfined"]);
    assert!(unconfined.contains("keyctl allowed"), "{unconfined}");
}
