//! pasta (package `passt`): carries the connections of a network namespace by ordinary sockets, without privileges.

use std::io::Read as _;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::Access;

use super::error::{Doing, NetworkError};
use super::link;
use super::netlink::Socket;
use super::publish::{Protocol, Published};
use super::subnet::Subnet;
use crate::sandbox;

/// How long it may take to set up the interface.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// A running pasta; ended when dropped.
#[derive(Debug)]
pub(super) struct Pasta {
    child: Child,
    address: Option<Subnet>,
    gateway: Option<Ipv4Addr>,
}

/// The program, if it is installed.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("pasta")).find(|file| file.is_file())
}

impl Pasta {
    /// Connects the namespace, and waits until it has an address and a route.
    pub(super) fn start(namespace: &OwnedFd, inside: &Socket, published: &[Published]) -> Result<Self, NetworkError> {
        let program = find().ok_or(NetworkError::NoPasta)?;
        let tun = Path::new("/dev/net/tun");
        rustix::fs::access(tun, Access::READ_OK | Access::WRITE_OK).map_err(|_| NetworkError::NoTunDevice)?;
        let mut command = Command::new(program);
        command
            .args(["--config-net", "--foreground", "--quiet", "--ns-ifname", "eth0"])
            // No port of the host's loopback is reachable from the container.
            .args(["-T", "none", "-U", "none", "--no-map-gw"])
            .args(port_arguments(published))
            // A path through this process would need rights over it that pasta has given up by then.
            .args(["--netns", "/proc/self/fd/0"])
            .stdin(namespace.try_clone().doing("copy a descriptor")?)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = sandbox::spawn_helper(command).doing("start pasta")?;
        let mut pasta = Self { child, address: None, gateway: None };
        pasta.wait_until_ready(inside)?;
        Ok(pasta)
    }

    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        match self.address?.address {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        }
    }

    pub(super) fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    fn wait_until_ready(&mut self, inside: &Socket) -> Result<(), NetworkError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait().doing("wait for pasta")?.is_some() {
                return Err(NetworkError::Pasta { message: self.last_words() });
            }
            let routes = link::routes(inside).doing("read the container's routes")?;
            if let Some((_, index)) = routes.iter().find(|(subnet, _)| subnet.length == 0) {
                let own = link::by_index(inside, *index).doing("look at the container's interface")?;
                if let Some(own) = own {
                    self.address = link::address_of(inside, own).doing("read the container's address")?;
                }
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(NetworkError::Pasta { message: "it set up no route; has the host one?".to_owned() })
    }

    fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What can't be read is not shown.
            let _ = stderr.read_to_string(&mut text);
        }
        // Without a system logger it complains of that at every line.
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Failed to send"));
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// The ports that lead in, by protocol; `none` where there are none.
fn port_arguments(published: &[Published]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (protocol, option) in [(Protocol::Tcp, "-t"), (Protocol::Udp, "-u")] {
        let own: Vec<&Published> = published.iter().filter(|one| one.protocol == protocol).collect();
        if own.is_empty() {
            arguments.extend([option.to_owned(), "none".to_owned()]);
        }
        for one in &own {
            let (address, port, container) = (one.host.ip(), one.host.port(), one.container);
            let is_twin = |other: &&&Published| other.host.port() == port && other.host.ip().is_unspecified();
            // Without an address, it listens on those of IPv4 and IPv6; naming both is one too many.
            let has_both = address.is_unspecified() && own.iter().filter(is_twin).count() > 1;
            match (has_both, address.is_ipv4()) {
                (true, true) => arguments.extend([option.to_owned(), format!("{port}:{container}")]),
                (true, false) => {}
                (false, _) => arguments.extend([option.to_owned(), format!("{address}/{port}:{container}")]),
            }
        }
    }
    arguments
}

impl Drop for Pasta {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let published = |host: &str| Published { container: 80, protocol: Protocol::Tcp, host: host.parse().unwrap() };
        let arguments = port_arguments(&[published("0.0.0.0:8080"), published("[::]:8080")]);
        assert_eq!(arguments, ["-t", "8080:80", "-u", "none"]);
        let arguments = port_arguments(&[published("127.0.0.1:8080"), published("[::]:8081")]);
        assert_eq!(arguments, ["-t", "127.0.0.1/8080:80", "-t", "::/8081:80", "-u", "none"]);
    }
}
