//! Sockets that another process has opened, as systemd does (sd_listen_fds(3)).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use crate::common::support::http;
use crate::common::{Answer, TestStore};

/// `rbuild` with descriptors 3 and 4. The shell is replaced by rbuild, so that it has the PID that was announced.
fn with_descriptors(store: &TestStore, words: &[&str], first: impl Into<Stdio>, second: impl Into<Stdio>) -> Command {
    const PASS: &str = "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_PID=$$ LISTEN_FDS=$COUNT exec \"$@\"";
    let asked = store.command(&[&["system", "service"], words].concat());
    let mut command = Command::new("sh");
    command.args(["-c", PASS, "sh"]).arg(asked.get_program()).args(asked.get_args());
    for (name, value) in asked.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(asked.get_current_dir().unwrap()).stdin(first).stdout(second).env("COUNT", "2");
    command
}

fn start(mut command: Command) -> Child {
    command.spawn().expect("a shell can be started")
}

fn answers_at_both(store: &TestStore) {
    let path = store.work().join("passed.sock");
    let (local, network) = (UnixListener::bind(&path).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    // The kernel accepts connections before the service does: nothing has to be waited for.
    let address = network.local_addr().unwrap();
    // It was created by the ordinary user, if the service is that user's.
    must_be_reachable(&path);
    let mut child =
        start(with_descriptors(store, &["--time", "1", "fd://"], OwnedFd::from(local), OwnedFd::from(network)));
    http::ask(&path, "GET", "/_ping", None).is(200);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(stream);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(path.exists(), "it is systemd's to remove");
}

fn must_be_reachable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn all_sockets_that_are_passed_are_answered_at() {
    answers_at_both(&TestStore::empty());
}

#[test]
fn an_ordinary_user_is_passed_some_too() {
    let Some(store) = TestStore::of_user() else { return };
    answers_at_both(&store);
}

#[test]
fn what_is_passed_has_to_be_a_socket_that_may_be_listened_at() {
    let store = TestStore::empty();
    let asked = |words: &[&str], first: OwnedFd| {
        Answer::of(with_descriptors(&store, words, first, Stdio::null())).fails(1).stderr()
    };
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let said = asked(&["fd://"], null());
    assert!(said.contains("descriptor 3 is not a listening socket"), "{said}");
    let (connected, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let said = asked(&["fd://"], connected.into());
    assert!(said.contains("descriptor 3 is not a listening socket"), "{said}");
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let said = asked(&["fd://"], open.into());
    assert!(said.contains("no client has to prove who it is"), "{said}");
    let grouped = asked(&["--group", "0", "fd://"], null());
    assert!(grouped.contains("SocketGroup="), "{grouped}");
    // For another process than this one.
    let path = store.work().join("other.sock");
    let other = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let mut command = store.command(&["system", "service", "fd://"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1").stdin(other);
    assert!(Answer::of(command).fails(1).stderr().contains("no socket was passed"));
}
