//! Containers as seen from the host: requests to their ports, and what is left of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::Duration;

use super::common::{TestStore, skip, wait_for};
use super::machine::Machine;

/// A machine that removes its networks on drop.
pub struct Host {
    machine: Machine,
    /// Whether its bridges are on the host.
    pub is_roots: bool,
}

impl Deref for Host {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let all = self.run(&["ps", "-aq"]).stdout();
        self.run(&[&["rm", "-f"], all.split_whitespace().collect::<Vec<_>>().as_slice()].concat());
        self.run(&["network", "prune", "-f"]);
    }
}

/// Networks and published ports of root.
pub fn machine_of_root() -> Option<Host> {
    if rustix::process::geteuid().is_root() {
        return Some(Host { machine: Machine::new()?, is_roots: true });
    }
    skip("needs root");
    None
}

/// An ordinary user's machine; skips, with a reason, if their networks have no uplink.
pub fn machine_of_user() -> Option<Host> {
    let host = Host { machine: Machine(TestStore::of_user()?), is_roots: false };
    let tried = host.run(&["run", "--rm", "busybox", "true"]);
    if tried.code() != Some(0) || tried.stderr().contains("warning") {
        skip(&format!("an ordinary user's containers have no network here: {}", tried.stderr()));
        return None;
    }
    Some(host)
}

/// For tests that apply to root's containers and to those of an ordinary user.
pub fn for_everybody(test: impl Fn(&Host)) {
    [machine_of_root(), machine_of_user()].iter().flatten().for_each(test);
}

/// The answer of a web server, once it is ready.
#[track_caller]
pub fn get(address: &str) -> String {
    wait_for(address, || try_get(address).ok_or_else(|| "no answer".to_owned()))
}

pub fn try_get(address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET /index.html HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// An address of this machine other than loopback.
pub fn own_address() -> Option<String> {
    // Nothing is sent: the kernel only returns the route's source address.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.77:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string()).filter(|address| address != "0.0.0.0")
}

/// Starts a server that returns a text, in the background; returns the container's name.
#[track_caller]
pub fn serve(machine: &Machine, name: &str, options: &[&str], text: &str) {
    let script = format!("mkdir /www; echo {text} > /www/index.html; exec httpd -f -p 80 -h /www");
    let arguments = [&["run", "-d", "--name", name], options, &["busybox", "sh", "-c", &script]].concat();
    machine.says(&arguments);
}

/// Waits until that server answers, as seen from its own container.
#[track_caller]
pub fn await_server(machine: &Machine, name: &str) {
    let arguments = ["exec", name, "wget", "-q", "-O-", "http://127.0.0.1/index.html"];
    machine.until(&arguments, |answer| !answer.is_empty());
}

/// How much of this container is on the host: rules for its ports, and endpoints in networks.
pub fn left_of(id: &str) -> usize {
    let rules = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap().stdout;
    let rules = String::from_utf8_lossy(&rules).matches(&id[..12]).count();
    let networks = std::fs::read_dir("/run/rbuild/networks").into_iter().flatten().flatten();
    rules + networks.filter(|network| network.path().join("endpoints").join(id).exists()).count()
}

pub fn has_interface(name: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(name).exists()
}
