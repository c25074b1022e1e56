//! The namespaces that an ordinary user's containers share, and what happens when any of their processes is killed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use super::common::{free_port, wait_until};
use super::host::{Host, await_server, get, machine_of_user, serve};

impl Host {
    fn folder(&self, file: &str) -> PathBuf {
        self.0.root().join("namespaces").join(file)
    }

    /// The PID of the pasta that is the uplink.
    fn pasta(&self) -> Option<i32> {
        let bytes = std::fs::read(self.folder("pasta")).ok()?;
        Some(i32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
    }

    fn kill_monitor(&self, name: &str) {
        kill(self.state_number(name, "MonitorPid"));
        self.until(&["inspect", "-f", "{{.State.Status}}", name], |status| status.trim() == "exited");
    }

    /// What a new container gets from the server with that name, once that answers.
    fn fetch(&self, name: &str) -> String {
        await_server(self, name);
        let url = format!("http://{name}/index.html");
        self.says(&["run", "--rm", "--network", "front", "busybox", "wget", "-q", "-O-", &url])
    }

    /// Whether a new container has an uplink.
    fn reaches_host(&self) -> bool {
        let Some(address) = super::host::own_address() else { return true };
        let listener = std::net::TcpListener::bind((address.as_str(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.accept());
        let script = format!("nc -w 60 {address} {port} </dev/null && echo reached");
        self.run(&["run", "--rm", "busybox", "sh", "-c", &script]).stdout() == "reached\n"
    }

    /// The last container has ended: pasta and the rest end soon.
    #[track_caller]
    fn assert_nothing_left(&self, pasta: i32) {
        wait_until("pasta has ended", || !is_alive(pasta) && !self.folder("pasta").exists());
        let left: BTreeSet<_> =
            std::fs::read_dir(self.folder("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock".into(), "members".into()].into(), "files of the shared namespaces");
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Not for a zombie.
fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn whoever_is_killed_the_others_go_on() {
    let Some(machine) = machine_of_user() else { return };
    machine.says(&["network", "create", "front"]);
    let (first, second) = (free_port(), free_port());
    serve(&machine, "one", &["--network", "front", "-p", &format!("{first}:80")], "first");
    serve(&machine, "two", &["--network", "front", "-p", &format!("{second}:80")], "second");
    assert_eq!(get(&format!("127.0.0.1:{first}")), "first\n");
    assert_eq!(get(&format!("127.0.0.1:{second}")), "second\n");
    let pasta = machine.pasta().unwrap();
    // The monitor that created everything.
    machine.kill_monitor("one");
    assert!(is_alive(pasta));
    assert_eq!(get(&format!("127.0.0.1:{second}")), "second\n");
    assert_eq!(machine.fetch("two"), "second");
    machine.says(&["start", "one"]);
    assert_eq!(get(&format!("127.0.0.1:{first}")), "first\n");
    assert_eq!(machine.fetch("one"), "first");
    // pasta itself: the next container restarts it.
    kill(pasta);
    wait_until("pasta is killed", || !is_alive(pasta));
    assert!(machine.reaches_host());
    let pasta = machine.pasta().unwrap();
    assert_eq!(machine.fetch("two"), "second");
    // All monitors: the next command of any kind ends pasta.
    machine.kill_monitor("one");
    kill(machine.state_number("two", "MonitorPid"));
    machine.until(&["ps", "-q"], str::is_empty);
    machine.says(&["ps", "-q"]);
    machine.assert_nothing_left(pasta);
    machine.says(&["start", "two"]);
    assert_eq!(machine.fetch("two"), "second");
    let pasta = machine.pasta().unwrap();
    machine.says(&["rm", "-f", "one", "two"]);
    machine.assert_nothing_left(pasta);
}

#[test]
fn those_that_come_first_at_the_same_time_share_one_namespace() {
    let Some(machine) = machine_of_user() else { return };
    machine.assert_nothing_left(i32::MAX);
    let count = 24;
    let ids: Vec<String> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let (machine, name) = (&machine, format!("member{number}"));
            scope.spawn(move || {
                serve(machine, &name, &[], &name);
                name
            })
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let namespaces: BTreeSet<PathBuf> = ids
        .iter()
        .map(|name| std::fs::read_link(format!("/proc/{}/ns/user", machine.field(name, "{{.State.Pid}}"))).unwrap())
        .collect();
    assert_eq!(namespaces.len(), 1, "{namespaces:?}");
    let last = ids.last().unwrap();
    await_server(&machine, last);
    let url = format!("http://{}/index.html", machine.field(last, "{{.NetworkSettings.IPAddress}}"));
    assert_eq!(machine.says(&["exec", &ids[0], "wget", "-q", "-O-", &url]), *last);
    let pasta = machine.pasta().unwrap();
    machine.says(&[&["rm", "-f"], ids.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    machine.assert_nothing_left(pasta);
}

#[test]
fn a_store_that_is_deleted_takes_pasta_along() {
    let Some(machine) = machine_of_user() else { return };
    machine.says(&["run", "-d", "busybox", "sleep", "1000"]);
    let pasta = machine.pasta().unwrap();
    machine.0.delete();
    wait_until("pasta has ended", || !is_alive(pasta));
}

#[test]
fn what_is_shared_is_shared_by_one_store_only() {
    let Some(machine) = machine_of_user() else { return };
    serve(&machine, "own", &[], "own");
    await_server(&machine, "own");
    let address = machine.field("own", "{{.NetworkSettings.IPAddress}}");
    let by = |words: &[&str], seconds: u32| {
        let fetch = format!("timeout {seconds} wget -q -O- http://{address}/index.html");
        machine.run(&[words, &["busybox", "sh", "-c", &fetch]].concat())
    };
    assert_eq!(by(&["run", "--rm"], 60).ok().stdout(), "own\n");
    machine.says(&["--root", "other", "load", "-i", "busybox.tar"]);
    let elsewhere = by(&["--root", "other", "run", "--rm"], 2);
    assert!(elsewhere.stdout().is_empty() && elsewhere.code() != Some(0), "{}", elsewhere.stdout());
    // Root of the container only has rights over its own network, and sees no other.
    let look = "ip -o link | grep -c .; ip link add x type bridge && echo made; ls /proc/1/fd | grep -c .";
    let seen = machine.says(&["run", "--rm", "--cap-add", "NET_ADMIN", "busybox", "sh", "-c", look]);
    assert!(seen.starts_with("2\nmade\n"), "{seen}");
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let monitor = machine.state_number("own", "MonitorPid");
    assert_ne!(namespace(&machine.field("own", "{{.State.Pid}}")), namespace("self"));
    assert_eq!(namespace(&monitor.to_string()), namespace("self"));
}

#[test]
fn memory_and_files_are_reached_from_everywhere() {
    let Some(machine) = machine_of_user() else { return };
    machine.says(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"]);
    machine.start("first", &["-v", "memory:/m"], "echo here > /m/file; sleep 100");
    machine.until(&["exec", "first", "ls", "/m"], |text| text == "file\n");
    machine.start("second", &["-v", "memory:/other/place"], "sleep 100");
    assert_eq!(machine.says(&["exec", "second", "cat", "/other/place/file"]), "here");
    machine.says(&["exec", "second", "touch", "/root/file"]);
    machine.says(&["cp", "second:/root/file", "copied"]);
    assert!(machine.says(&["top", "second"]).contains("sleep 100"));
    // On the default network, with the host by name.
    let hosts = machine.says(&["run", "--rm", "--add-host", "host:host-gateway", "busybox", "cat", "/etc/hosts"]);
    if let Some(address) = super::host::own_address() {
        assert!(hosts.contains(&format!("{address}\thost")), "{hosts}");
    }
    assert!(machine.reaches_host());
}

#[test]
fn without_pasta_networks_have_no_way_out() {
    let Some(machine) = machine_of_user() else { return };
    // The first container's namespaces would be used while they exist.
    wait_until("pasta has ended", || machine.pasta().is_none());
    let run = |options: &[&str], script: &str| {
        let arguments = [&["run", "--rm"], options, &["busybox", "sh", "-c", script]].concat();
        let mut command = machine.0.command(&arguments);
        // With its helpers for user namespaces.
        let folder = machine.0.work().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for name in ["newuidmap", "newgidmap", "setpriv"] {
            let found = std::env::split_paths(&path).map(|place| place.join(name)).find(|program| program.exists());
            // It exists the second time.
            let _ = std::os::unix::fs::symlink(found.unwrap(), folder.join(name));
        }
        command.env("PATH", folder);
        super::common::Answer::of(command).ok()
    };
    let plain = run(&[], "ls /sys/class/net");
    assert!(plain.stderr().contains("using the host's network"), "{}", plain.stderr());
    machine.says(&["network", "create", "front"]);
    let named = run(&["--network", "front"], "ls /sys/class/net");
    assert!(named.stderr().contains("nothing outside: pasta"), "{}", named.stderr());
    assert_eq!(named.stdout(), "eth0\nlo\n");
    let port = free_port();
    let published = run(&["-p", &format!("{port}:80")], "ls /sys/class/net");
    assert!(published.stderr().contains("nothing outside: pasta"), "{}", published.stderr());
}
