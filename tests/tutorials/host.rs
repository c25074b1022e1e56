//! The host that containers are seen from: requests to their ports, and what is left on it of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::time::Duration;

use super::common::{TestStore, skip, wait_for};
use super::machine::Machine;

/// A machine whose networks go with it.
pub struct Host {
    machine: Machine,
    /// Whose bridges are the host's own.
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

/// Networks and ports on bridges are root's.
pub fn machine_of_root() -> Option<Host> {
    if rustix::process::geteuid().is_root() {
        return Some(Host { machine: Machine::new()?, is_roots: true });
    }
    skip("needs root");
    None
}

/// An ordinary user's; nothing, with the reason said, where nothing leads out of their networks.
pub fn machine_of_user() -> Option<Host> {
    let host = Host { machine: Machine(TestStore::of_user()?), is_roots: false };
    let tried = host.run(&["run", "--rm", "busybox", "true"]);
    if tried.code() != Some(0) || tried.stderr().contains("warning") {
        skip(&format!("an ordinary user's containers have no network here: {}", tried.stderr()));
        return None;
    }
    Some(host)
}

/// What holds for root's containers and for those of an ordinary user.
pub fn for_everybody(test: impl Fn(&Host)) {
    [machine_of_root(), machine_of_user()].iter().flatten().for_each(test);
}

/// What a web server answers, once it answers.
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

/// An address of this machine that is not the loopback's.
pub fn own_address() -> Option<String> {
    // Nothing is sent: the kernel only says where it would go out.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.77:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string()).filter(|address| address != "0.0.0.0")
}

/// A server that says its text, in the background; gives the container's name back.
#[track_caller]
pub fn serve(machine: &Machine, name: &str, options: &[&str], text: &str) {
    let script = format!("mkdir /www; echo {text} > /www/index.html; exec httpd -f -p 80 -h /www");
    let arguments = [&["run", "-d", "--name", name], options, &["busybox", "sh", "-c", &script]].concat();
    machine.says(&arguments);
}

/// Until that server answers, as seen from its own container.
#[track_caller]
pub fn await_server(machine: &Machine, name: &str) {
    let arguments = ["exec", name, "wget", "-q", "-O-", "http://127.0.0.1/index.html"];
    machine.until(&arguments, |answer| !answer.is_empty());
}

/// How many things of this container are on the host: rules of its ports, and places in networks.
pub fn left_of(id: &str) -> usize {
    let rules = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap().stdout;
    let rules = String::from_utf8_lossy(&rules).matches(&id[..12]).count();
    let networks = std::fs::read_dir("/run/rbuild/networks").into_iter().flatten().flatten();
    rules + networks.filter(|network| network.path().join("endpoints").join(id).exists()).count()
}

pub fn has_interface(name: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(name).exists()
}
