//! Containers that address each other by name.

use super::host::{Host, await_server, for_everybody, has_interface, left_of, serve};

/// What a container gets from that server. (The shell stays the first process, which timeout could not end.)
const FETCH: &str = "timeout 60 wget -q -O- http://webhost/index.html; exit $?";
/// The same if it must not get anything, and would wait for it.
const TRY: &str = "timeout 2 wget -q -O- http://webhost/index.html; exit $?";

#[test]
fn names_on_a_network_of_ones_own() {
    for_everybody(know_each_other);
}

fn know_each_other(machine: &Host) {
    let network = machine.says(&["network", "create", "front"]);
    serve(machine, "webhost", &["--network", "front", "--network-alias", "www", "--hostname", "box7"], "first");
    let on = |network: &str, script: &str| {
        machine.run(&["run", "--rm", "--network", network, "busybox", "sh", "-c", script])
    };
    let address = machine.field("webhost", "{{.NetworkSettings.Networks.front.IPAddress}}");
    await_server(machine, "webhost");
    assert_eq!(on("front", FETCH).ok().stdout(), "first\n");
    for name in ["WWW", "webhost.front", "box7", &machine.field("webhost", "{{.Id}}")[..12]] {
        assert_eq!(on("front", &FETCH.replace("webhost", name)).ok().stdout(), "first\n", "{name}");
    }
    let reverse = on("front", &format!("nslookup {address}")).ok().stdout();
    assert!(reverse.contains("name = webhost.front"), "{reverse}");
    // Neither the default network nor another one resolves or reaches it.
    machine.says(&["network", "create", "back"]);
    for other in ["bridge", "back"] {
        assert_ne!(on(other, TRY).code(), Some(0), "{other}");
        let directly = TRY.replace("webhost", &address);
        assert_ne!(on(other, &directly).code(), Some(0), "{other}");
    }

    machine.says(&["run", "-d", "--name", "client", "busybox", "sleep", "100"]);
    let from_client = |script: &str| machine.run(&["exec", "client", "sh", "-c", script]);
    assert_ne!(from_client(TRY).code(), Some(0));
    machine.says(&["network", "connect", "--alias", "friend", "front", "client"]);
    assert_eq!(from_client(FETCH).ok().stdout(), "first\n");
    machine.says(&["exec", "webhost", "ping", "-c1", "-W60", "friend"]);
    let in_use = machine.run(&["network", "rm", "front"]).fails(1).stderr();
    assert!(in_use.contains("front has active endpoints") && in_use.contains("client"), "{in_use}");
    machine.says(&["network", "disconnect", "front", "client"]);
    assert_ne!(from_client(TRY).code(), Some(0));
    // A container that has left all networks can join one again.
    machine.says(&["network", "disconnect", "bridge", "client"]);
    machine.says(&["network", "connect", "front", "client"]);
    assert_eq!(from_client(FETCH).ok().stdout(), "first\n");

    let id = machine.field("webhost", "{{.Id}}");
    machine.says(&["rm", "-f", "webhost", "client"]);
    assert_eq!(left_of(&id), 0);
    let bridge = format!("rb-{}", &network[..12]);
    assert_eq!(has_interface(&bridge), machine.is_roots);
    machine.says(&["network", "rm", "front", "back"]);
    assert!(!has_interface(&bridge));
    let tables = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap().stdout;
    assert!(!String::from_utf8_lossy(&tables).contains(&bridge));
}

#[test]
fn links_on_the_default_network() {
    for_everybody(link);
}

fn link(machine: &Host) {
    serve(machine, "db", &["--expose", "80", "-e", "SECRET=1"], "linked");
    await_server(machine, "db");
    let fetch = "env | grep ^STORE_; timeout 60 wget -q -O- http://store/index.html";
    let answer = machine.says(&["run", "--rm", "--link", "db:store", "--name", "app", "busybox", "sh", "-c", fetch]);
    for line in ["STORE_PORT_80_TCP_PORT=80", "STORE_NAME=/app/store", "STORE_ENV_SECRET=1", "linked"] {
        assert!(answer.lines().any(|own| own == line), "{line}: {answer}");
    }
    machine.says(&["stop", "-t", "0", "db"]);
    let stopped = machine.run(&["run", "--rm", "--link", "db:store", "busybox", "true"]);
    assert!(stopped.stderr().contains("cannot link to a non running container: /db AS "), "{}", stopped.stderr());
}

#[test]
fn a_network_and_namespaces_shared() {
    for_everybody(share);
}

fn share(machine: &Host) {
    serve(machine, "webhost", &["--ipc", "shareable"], "shared");
    let with = |options: &[&str], script: &str| {
        machine.says(&[&["run", "--rm"], options, &["busybox", "sh", "-c", script]].concat())
    };
    await_server(machine, "webhost");
    assert_eq!(with(&["--network", "container:webhost"], "wget -q -O- http://127.0.0.1/index.html"), "shared");
    assert!(with(&["--pid", "container:webhost"], "ps").contains("httpd -f -p 80"));
    machine.says(&["exec", "webhost", "touch", "/dev/shm/mark"]);
    assert_eq!(with(&["--ipc", "container:webhost"], "ls /dev/shm"), "mark");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(with(&["--uts", "host"], "hostname"), host.trim());
    let refused = machine.run(&["run", "--rm", "--network", "container:nobody", "busybox", "true"]).fails(125);
    assert!(refused.stderr().contains("no such container: nobody"));
}
