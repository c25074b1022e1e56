//! The sockets of the service, and who may use them.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_acceptconn;

use super::address::{Address, usual_port};
use super::listen_error::ListenError;
use super::socket_file::SocketFile;
use super::tls::{Clients, Encryption};
use crate::container::sandbox;

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST_PASSED: i32 = 3;
/// More than any unit passes.
const MOST_PASSED: i32 = 64;

/// Who may use the service.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The group whose members may use a Unix socket, besides its owner.
    pub group: Option<String>,
    /// The TLS settings of network addresses; `None` for no TLS.
    pub encryption: Option<Encryption>,
    /// Anyone who reaches the address may use it; set only by an explicit option.
    pub is_open: bool,
}

/// One socket.
#[derive(Debug)]
pub enum Socket {
    Local(UnixListener),
    Network(TcpListener),
}

/// Sockets; the file of a Unix socket is removed with it.
pub struct Listener {
    pub sockets: Vec<Socket>,
    file: Option<SocketFile>,
}

impl Listener {
    pub fn open(address: &Address, access: &Access) -> Result<Self, ListenError> {
        let alone = |socket| Ok(Self { sockets: vec![socket], file: None });
        if !matches!(address, Address::Path(_)) && access.group.is_some() {
            let reason = match address {
                Address::Passed => "a unit of systemd says it by SocketGroup=",
                _ => "an address of the network has no owner",
            };
            return Err(ListenError::GroupElsewhere { reason });
        }
        match address {
            Address::Passed => Ok(Self { sockets: passed(access)?, file: None }),
            Address::Network { host, port } => alone(Socket::Network(bound(host, *port, access)?)),
            Address::Path(_) if access.encryption.is_some() || access.is_open => Err(ListenError::TlsElsewhere),
            Address::Path(path) => {
                let (socket, file) = SocketFile::bind(path, access.group.as_deref())?;
                Ok(Self { sockets: vec![Socket::Local(socket)], file: Some(file) })
            }
        }
    }

    /// The addresses for clients, as in DOCKER_HOST. Those from systemd are unknown.
    pub fn addresses(&self) -> Vec<String> {
        let of = |socket: &Socket| match (socket, &self.file) {
            (Socket::Local(_), Some(file)) => Some(format!("unix://{}", file.path.display())),
            (Socket::Local(_), None) => None,
            (Socket::Network(socket), _) => Some(format!("tcp://{}", socket.local_addr().ok()?)),
        };
        self.sockets.iter().filter_map(of).collect()
    }
}

/// The first usable address of a host: IPv4 before IPv6, as in docker.
fn bound(host: &str, port: Option<u16>, access: &Access) -> Result<TcpListener, ListenError> {
    let port = port.unwrap_or_else(|| usual_port(access.encryption.is_some()));
    let none = || ListenError::NoAddress { host: host.to_owned() };
    let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(|_| none())?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let address = *found.first().ok_or_else(none)?;
    check(address, access)?;
    TcpListener::bind(address).map_err(|source| ListenError::Bind { address, source })
}

/// Refuses an address that others can reach without client certificates, unless that was requested explicitly.
fn check(address: SocketAddr, access: &Access) -> Result<(), ListenError> {
    let is_known = access.encryption.as_ref().is_some_and(|encryption| encryption.clients == Clients::Certified);
    if address.ip().to_canonical().is_loopback() || is_known || access.is_open {
        return Ok(());
    }
    Err(ListenError::Open { address })
}

/// The sockets that systemd has opened for this process.
fn passed(access: &Access) -> Result<Vec<Socket>, ListenError> {
    let variable = |name: &str| std::env::var(name).ok();
    let is_ours = variable("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let count: i32 = variable("LISTEN_FDS").and_then(|text| text.parse().ok()).filter(|_| is_ours).unwrap_or(0);
    if count < 1 {
        return Err(ListenError::NotPassed);
    }
    let socket = |number: i32| {
        let none = || ListenError::NoListener { number };
        let socket: OwnedFd = sandbox::take_inherited(number).ok_or_else(none)?;
        if !socket_acceptconn(&socket).unwrap_or(false) {
            return Err(none());
        }
        match rustix::net::getsockname(&socket).map_err(|_| none())?.address_family() {
            AddressFamily::UNIX => Ok(Socket::Local(socket.into())),
            AddressFamily::INET | AddressFamily::INET6 => {
                let socket = TcpListener::from(socket);
                check(socket.local_addr()?, access)?;
                Ok(Socket::Network(socket))
            }
            _ => Err(none()),
        }
    };
    (FIRST_PASSED..FIRST_PASSED + count.min(MOST_PASSED)).map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_others_reach_is_never_open_by_itself() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let open = Access { is_open: true, ..Access::default() };
        for own in ["127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check(at(own), &Access::default()).is_ok(), "{own}");
        }
        for reached in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(matches!(check(at(reached), &Access::default()), Err(ListenError::Open { .. })), "{reached}");
            assert!(check(at(reached), &open).is_ok(), "{reached}");
        }
    }

    #[test]
    fn what_belongs_to_one_kind_of_address_is_refused_elsewhere() {
        let access =
            |group: Option<&str>, is_open| Access { group: group.map(str::to_owned), is_open, ..Access::default() };
        let open = |address: &str, access: &Access| Listener::open(&address.parse().unwrap(), access).map(drop);
        assert!(matches!(open("unix:///x/y", &access(None, true)), Err(ListenError::TlsElsewhere)));
        for address in ["fd://", "tcp://127.0.0.1:0"] {
            let refused = open(address, &access(Some("0"), false));
            assert!(matches!(refused, Err(ListenError::GroupElsewhere { .. })), "{address}");
        }
        assert!(open("tcp://127.0.0.1:0", &access(None, false)).is_ok());
        assert!(matches!(open("tcp://no-such-host.invalid", &access(None, false)), Err(ListenError::NoAddress { .. })));
    }
}
