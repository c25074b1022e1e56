//! `run --userns=remap`: root of the container has no rights on the host, and files have their normal owners.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use super::common::{Answer, TestStore, free_port, is_root, skip, wait_until};

/// IDs that nobody has.
pub const FIRST: u32 = 1_231_072;
pub const REMAP: &str = "--userns=remap:1231072:65536";

/// Whether ID-mapped mounts work here, for root.
pub fn store() -> Option<TestStore> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    if !is_root() {
        skip("only root can give containers other users");
        return None;
    }
    if (numbers.next(), numbers.next()) < (Some(5), Some(19)) {
        skip(&format!("Linux {release} merges no layers whose owners are translated"));
        return None;
    }
    TestStore::with_busybox()
}

fn shell(store: &TestStore, options: &[&str], script: &str) -> Answer {
    let mut all = vec!["run", "--rm", REMAP];
    if !options.contains(&"--network") {
        all.extend(["--network", "none"]);
    }
    all.extend_from_slice(options);
    all.extend(["busybox", "sh", "-c", script]);
    store.run(&all)
}

#[track_caller]
fn says(store: &TestStore, options: &[&str], script: &str) -> String {
    shell(store, options, script).ok().stdout().trim().to_owned()
}

#[test]
fn root_of_the_container_is_another_user_of_the_host() {
    let Some(store) = store() else { return };
    let map = says(&store, &[], "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g");
    let words: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(words, ["0", "1231072", "65536", "0", "1231072", "65536", "0", "0"]);
    store.run(&["run", "-d", "--name", "cc", "--network", "none", REMAP, "busybox", "sleep", "1000"]).ok();
    let pid = store.run(&["inspect", "-f", "{{.State.Pid}}", "cc"]).ok().stdout();
    let process = std::fs::metadata(format!("/proc/{}", pid.trim())).expect("it runs");
    assert_eq!((process.uid(), process.gid()), (FIRST, FIRST));
    let own = std::fs::read_link("/proc/self/ns/user").expect("it has one");
    for (kind, is_own) in [("user", true), ("net", true), ("mnt", true), ("pid", true), ("ipc", true), ("uts", true)] {
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("it has one");
        let inside = std::fs::read_link(format!("/proc/{}/ns/{kind}", pid.trim())).expect("it has one");
        assert_eq!(host != inside, is_own, "{kind}: {own:?}");
    }
    assert_eq!(store.run(&["inspect", "-f", "{{.HostConfig.UsernsMode}}", "cc"]).ok().stdout().trim(), &REMAP[9..]);
    store.run(&["rm", "-f", "cc"]).ok();
}

#[test]
fn the_hosts_files_are_the_hosts() {
    let Some(store) = store() else { return };
    let folder = store.work().join("host");
    std::fs::create_dir(&folder).expect("a folder can be made");
    let secret = store.write("host/secret", "of the host");
    let setuid = store.write("host/program", "");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let volume = format!("{}:/host", folder.display());
    let script = "
        cat /host/secret && echo LEAK
        echo new > /host/secret && echo LEAK
        chmod 4777 /host/secret /host/program && echo LEAK
        chown 0:0 /host/program && echo LEAK
        rm -f /host/secret && echo LEAK
        mv /host/secret /host/other && echo LEAK
        touch /host/new && echo LEAK
        exit 0";
    for options in [&["-v", &volume][..], &["-v", &volume, "--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]]
    {
        let answer = shell(&store, options, script).ok();
        assert!(!answer.stdout().contains("LEAK"), "{}{}", answer.stdout(), answer.stderr());
    }
    assert_eq!(std::fs::read_to_string(&secret).expect("it is there"), "of the host");
    let mode = std::fs::metadata(&setuid).expect("it is there").mode();
    assert_eq!(mode & 0o7000, 0);
    // It may do what everybody may; and its files do not belong to root.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    shell(&store, &["-v", &volume], "echo x > /host/own; chmod 4755 /host/own").ok();
    assert_eq!(std::fs::metadata(folder.join("own")).expect("it was made").uid(), FIRST);
}

#[test]
fn files_have_the_owners_that_they_have_without() {
    let Some(store) = store() else { return };
    let script = "mkdir /d && echo 1 > /d/root && cp /bin/busybox /d/changed && chown 7:8 /d/changed && \
                  chmod 4755 /d/changed && su -s /bin/sh -c 'touch /tmp/of-7' daemon; ln -s root /d/link; \
                  chown -h 9:9 /d/link; rm /bin/awk; chmod 700 /etc; cat /etc/passwd > /dev/null";
    store.run(&["run", "--name", "cc", "--network", "none", REMAP, "busybox", "sh", "-c", script]).ok();
    store.run(&["commit", "cc", "made"]).ok();
    let look = "stat -c '%n %u:%g %a' /d /d/root /d/changed /d/link /etc /bin/ls; ls /bin/awk 2>&1";
    let expected = "/d 0:0 755\n/d/root 0:0 644\n/d/changed 7:8 4755\n/d/link 9:9 777\n/etc 0:0 700\n/bin/ls 0:0";
    for mode in ["--userns=host", REMAP] {
        let said = store.run(&["run", "--rm", "--network", "none", mode, "made", "sh", "-c", look]).stdout();
        assert!(said.starts_with(expected), "{mode}: {said}");
    }
    // The second start finds what the first has left.
    store.run(&["start", "-a", "cc"]).ok();
    let changed = store.run(&["diff", "cc"]).ok().stdout();
    assert!(changed.contains("A /d/changed") && changed.contains("D /bin/awk"), "{changed}");
    store.run(&["rm", "cc"]).ok();
}

#[test]
fn volumes_are_shared_with_others() {
    let Some(store) = store() else { return };
    says(&store, &["-v", "vol:/v"], "echo a > /v/a; chown 5:6 /v/a; echo b > /v/b");
    let look = ["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "stat", "-c", "%u:%g", "/v/a", "/v/b"];
    assert_eq!(store.run(&look).ok().stdout(), "5:6\n0:0\n");
    store.run(&["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "sh", "-c", "echo c > /v/c"]).ok();
    assert_eq!(says(&store, &["-v", "vol:/v"], "echo more >> /v/c && cat /v/c && stat -c %u /v/c"), "c\nmore\n0");
    // A volume initially has what the image has there.
    let tmpfs = ["--tmpfs", "/t:uid=7,gid=8,mode=700"];
    assert_eq!(says(&store, &tmpfs, "stat -c '%u:%g %a' /t; touch /t/x; stat -c %u /t/x"), "7:8 700\n0");
}

#[test]
fn exec_and_copies() {
    let Some(store) = store() else { return };
    let run = ["run", "-d", "--name", "cc", "--network", "none", REMAP, "busybox", "sleep", "1000"];
    store.run(&run).ok();
    let exec = |words: &[&str]| {
        let mut all = vec!["exec"];
        all.extend_from_slice(words);
        store.run(&all).ok().stdout().trim().to_owned()
    };
    assert_eq!(
        exec(&["cc", "sh", "-c", "id -u; cut -c 1-40 /proc/self/uid_map"]).split_whitespace().nth(2),
        Some("1231072")
    );
    assert_eq!(exec(&["-u", "7:8", "cc", "sh", "-c", "id -u; id -g; touch /tmp/x; stat -c %u:%g /tmp/x"]), "7\n8\n7:8");
    assert_eq!(
        exec(&["cc", "sh", "-c", "touch /new && stat -c %u /new && kill -0 1 && readlink /proc/1/exe"]),
        "0\n/bin/busybox"
    );
    assert_eq!(exec(&["-u", "7", "cc", "sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr"]), "out");
    store
        .run(&[
            "exec",
            "--privileged",
            "cc",
            "sh",
            "-c",
            "mount -t tmpfs x /home && grep -q CapEff.*fff /proc/self/status",
        ])
        .ok();
    let file = store.write("in", "from the host");
    for state in ["running", "stopped"] {
        store.run(&["cp", &file.display().to_string(), &format!("cc:/in-{state}")]).ok();
        store.run(&["cp", "cc:/tmp/x", &format!("out-{state}")]).ok();
        let out = std::fs::metadata(store.work().join(format!("out-{state}"))).expect("it was copied");
        assert_eq!(out.uid(), 0, "{state}");
        store.run(&["cp", "-a", "cc:/tmp/x", &format!("kept-{state}")]).ok();
        let kept = std::fs::metadata(store.work().join(format!("kept-{state}"))).expect("it was copied");
        assert_eq!((kept.uid(), kept.gid()), (7, 8), "{state}");
        if state == "running" {
            store.run(&["stop", "-t", "0", "cc"]).ok();
        }
    }
    store.run(&["start", "cc"]).ok();
    assert_eq!(exec(&["cc", "stat", "-c", "%u", "/in-running", "/in-stopped", "/tmp/x"]), "0\n0\n7");
    store.run(&["export", "-o", "all.tar", "cc"]).ok();
    let listed = Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(store.work().join("all.tar")).output();
    let listed = String::from_utf8_lossy(&listed.expect("tar is there").stdout).into_owned();
    assert!(listed.lines().any(|line| line.contains(" 7/8 ") && line.ends_with("tmp/x")), "{listed}");
    store.run(&["rm", "-f", "cc"]).ok();
}

#[test]
fn networks_and_rights_are_the_containers_own() {
    let Some(store) = store() else { return };
    assert_eq!(says(&store, &[], "ping -c 1 127.0.0.1 > /dev/null && echo pong"), "pong");
    let denied = shell(&store, &["--cap-drop", "NET_RAW"], "ping -c 1 127.0.0.1");
    assert_ne!(denied.code(), Some(0));
    let set = says(&store, &["--sysctl", "net.core.somaxconn=77"], "cat /proc/sys/net/core/somaxconn");
    assert_eq!(set, "77");
    assert_ne!(shell(&store, &[], "mount -t tmpfs x /tmp").code(), Some(0));
    let admin = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
    assert_eq!(says(&store, &admin, "mount -t tmpfs x /tmp && echo mounted"), "mounted");
    // What masks the host stays, whatever rights it has.
    let script = "umount /proc/kcore /proc/sys /proc/keys 2>/dev/null && echo LEAK
                  mount -o remount,rw /proc/sys 2>/dev/null && echo LEAK
                  echo x > /proc/sys/kernel/core_pattern && echo LEAK; exit 0";
    let all = ["--cap-add", "ALL", "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"];
    assert_eq!(says(&store, &all, script), "");
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:80");
    let web = "echo hello > /index.html; exec httpd -f -p 80 -h /";
    store.run(&["run", "-d", "--name", "web", REMAP, "-p", &publish, "busybox", "sh", "-c", web]).ok();
    let ask = || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("hello").then_some(())
    };
    wait_until("the published port answers", || ask().is_some());
    // A container that shares its network shares its users.
    let joined = ["--network", "container:web"];
    assert_eq!(says(&store, &joined, "wget -q -O - http://127.0.0.1/index.html"), "hello");
    assert_eq!(says(&store, &joined, "ping -c 1 127.0.0.1 > /dev/null && echo pong"), "pong");
    let pids = says(&store, &["--pid", "container:web"], "ps | grep -q [h]ttpd && ls -l /proc/1/exe | grep -c busybox");
    assert_eq!(pids, "1");
    store.run(&["rm", "-f", "web"]).ok();
}

#[test]
fn terminals_inits_and_streams() {
    let Some(store) = store() else { return };
    let streams = "echo out > /dev/stdout; echo err > /dev/stderr; echo shm > /dev/shm/x; echo x > /dev/null; \
                   stat -c %u:%g /dev /dev/shm; touch /dev/x";
    let answer = shell(&store, &[], streams).ok();
    assert_eq!((answer.stdout().as_str(), answer.stderr().as_str()), ("out\n0:0\n0:0\n", "err\n"));
    assert_eq!(says(&store, &["--user", "7", "--init"], "echo out > /dev/stdout; cat /proc/1/comm"), "out\nrbuild");
    // The small init has no open descriptors of the namespaces.
    let open = says(&store, &["--init"], "ls -l /proc/1/fd | grep -c -e user: -e net: -e /proc/; exit 0");
    assert_eq!(open, "0");
    store.run(&["run", "-dt", "--name", "tt", "--network", "none", REMAP, "busybox", "sh"]).ok();
    let tty = store.run(&["exec", "tt", "sh", "-c", "stat -c %u /dev/console; ls -ln /dev/pts/0"]).ok().stdout();
    assert!(tty.starts_with("0\n") && tty.contains(" 0        5 "), "{tty}");
    store.run(&["rm", "-f", "tt"]).ok();
    let log = store.run(&["run", "-d", "--name", "ll", "--network", "none", REMAP, "busybox", "echo", "logged"]).ok();
    wait_until("it has ended", || store.run(&["logs", "ll"]).stdout() == "logged\n");
    drop(log);
    store.run(&["rm", "-f", "ll"]).ok();
}

#[test]
fn what_cannot_be_is_refused() {
    let Some(store) = store() else { return };
    for (options, words) in [
        (&["--privileged"][..], "privileged mode is incompatible with user namespaces"),
        (&["--network", "host"], "cannot share the host's network namespace when user namespaces are enabled"),
        (&["--pid", "host"], "cannot share the host PID namespace when user namespaces are enabled"),
        (&["--user", "70000"], "no user 70000"),
        (&["--tmpfs", "/t:uid=70000"], "no user 70000"),
    ] {
        let answer = shell(&store, options, "true").fails(125);
        assert!(answer.stderr().contains(words), "{}", answer.stderr());
    }
    for wrong in ["remap:0:65536", "remap:x", "remap:5", "other"] {
        let mode = format!("--userns={wrong}");
        store.run(&["run", "--rm", &mode, "busybox", "true"]).fails(125);
    }
    store.run(&["run", "-d", "--name", "plain", "--network", "none", "busybox", "sleep", "1000"]).ok();
    let answer = shell(&store, &["--network", "container:plain"], "true").fails(125);
    assert!(answer.stderr().contains("whose users are the host's"), "{}", answer.stderr());
    store.run(&["rm", "-f", "plain"]).ok();
}

#[test]
fn a_filesystem_without_such_mounts_is_named() {
    let Some(own) = store() else { return };
    let place = own.work().join("ramfs");
    std::fs::create_dir(&place).expect("a folder can be made");
    let mounted = Command::new("mount").args(["-t", "ramfs", "x"]).arg(&place).status().expect("mount is there");
    if !mounted.success() {
        skip("ramfs, which knows no such mounts, can't be mounted");
        return;
    }
    let store = TestStore::borrowed(&place.join("store"), &own.work());
    let archive = super::common::busybox_archive().expect("it was there before");
    store.run(&["load", "-i", &archive.display().to_string()]).ok();
    let answer = store.run(&["run", "--rm", "--network", "none", REMAP, "busybox", "true"]);
    wait_until("nobody syncs the store", || store.processes().is_empty());
    wait_until("it is unmounted", || Command::new("umount").arg(&place).status().is_ok_and(|status| status.success()));
    let said = answer.fails(125).stderr();
    assert!(said.contains("Linux 5.19") && said.contains("leave out --userns=remap"), "{said}");
}

#[test]
fn an_ordinary_user_is_told_that_it_is_so_already() {
    let Some(store) = TestStore::of_user() else { return };
    let answer = store.run(&["run", "--rm", "--userns=remap", "busybox", "true"]).fails(125);
    assert!(answer.stderr().contains("in a user namespace already"), "{}", answer.stderr());
    store.run(&["run", "--rm", "--network", "none", "--userns=host", "busybox", "true"]).ok();
}
