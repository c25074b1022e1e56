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
    let (code, text) = machine.script(&[], &format!("nc -w 1 127.0.0.1 {port} </dev/null && echo reached"));
    assert!(code != 0 && !text.contains("reached"), "{text}");
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

#[test]
fn no_new_privileges_means_none() {
    let Some(machine) = Machine::new() else { return };
    machine.0.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN mkdir /suid && cp /bin/busybox /suid/ && chmod 4755 /suid/busybox\n",
    );
    machine.run(&["build", "-t", "suid", "ctx"]).ok();
    let run = |options: &[&str]| {
        let arguments =
            [&["run", "--rm", "--network", "none", "-u", "1000"], options, &["suid", "/suid/busybox", "id", "-u"]];
        machine.says(&arguments.concat())
    };
    // busybox gives up such rights for `id`; what counts is that the kernel is told to grant none.
    assert!(["0", "1000"].contains(&run(&[]).as_str()));
    assert_eq!(run(&["--security-opt", "no-new-privileges"]), "1000");
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
    let bomb = "f() { sleep 1 & }; i=0; while [ $i -lt 100 ]; do f; i=$((i+1)); done; echo survived";
    let (_, text) = machine.script(&["--pids-limit", "20"], bomb);
    assert!(text.contains("fork") || text.contains("esource"), "{text}");
    let eat = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ate";
    machine.start("eater", &["-m", "24m", "--memory-swap", "24m"], eat);
    assert_ne!(machine.says(&["wait", "eater"]), "0");
    assert_eq!(machine.field("eater", "{{.State.OOMKilled}}"), "true");
}

#[test]
fn keys_of_the_host_are_not_there() {
    let Some(machine) = Machine::new() else { return };
    // The list is hidden, and so are the calls: they fail before they ask for anything.
    let (_, inside) = machine.script(&[], "cat /proc/keys 2>/dev/null | wc -c; grep Seccomp: /proc/self/status");
    assert_eq!(inside.lines().map(str::trim).collect::<Vec<_>>(), ["0", "Seccomp:\t2"]);
}
