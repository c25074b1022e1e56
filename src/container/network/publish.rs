//! Published ports: chosen, and reserved by listening on them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::NetworkError;

/// How often another port is tried, if any will do, until one is free on both IPv4 and IPv6.
const ATTEMPTS: usize = 32;
const BACKLOG: i32 = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// The protocol number in IP headers.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl std::str::FromStr for Protocol {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" | "" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Err(NetworkError::Refused { what: "ports of SCTP can't be published by rbuild".to_owned() }),
            _ => Err(NetworkError::Refused { what: format!("invalid proto: {text}") }),
        }
    }
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    pub container: u16,
    pub protocol: Protocol,
    /// `None` for all addresses of the host.
    pub host_address: Option<IpAddr>,
    /// The first and last acceptable port; `None` for any.
    pub host_ports: Option<(u16, u16)>,
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub container: u16,
    pub protocol: Protocol,
    pub host: SocketAddr,
}

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// Listens on all requested ports, or reports which one is in use.
pub(super) fn listen(requests: &[PortRequest]) -> Result<Vec<(Published, Listener)>, NetworkError> {
    let mut all = Vec::new();
    for request in requests {
        all.append(&mut one(request)?);
    }
    Ok(all)
}

fn one(request: &PortRequest) -> Result<Vec<(Published, Listener)>, NetworkError> {
    let addresses: Vec<IpAddr> = match request.host_address {
        Some(address) => vec![address],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    };
    let mut taken = None;
    let candidates: Vec<u16> = match request.host_ports {
        Some((first, last)) => (first..=last).collect(),
        None => vec![0; ATTEMPTS],
    };
    for port in candidates {
        match on_all(&addresses, port, request) {
            Err(error @ NetworkError::PortTaken { .. }) => taken = taken.or(Some(error)),
            listening => return listening,
        }
    }
    Err(taken.unwrap_or(NetworkError::Refused { what: "the range of ports is empty".to_owned() }))
}

/// Uses the same port on each address; if any port will do, the first address decides.
fn on_all(
    addresses: &[IpAddr],
    mut port: u16,
    request: &PortRequest,
) -> Result<Vec<(Published, Listener)>, NetworkError> {
    let mut all = Vec::new();
    let protocol = request.protocol;
    for address in addresses {
        let (listener, host) = match bind(SocketAddr::new(*address, port), protocol) {
            Ok(bound) => bound,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(NetworkError::PortTaken { address: *address, port, protocol });
            }
            // The machine has no IPv6, and no IPv6 address was requested explicitly.
            Err(error) if address.is_ipv6() && request.host_address.is_none() && is_missing(&error) => continue,
            Err(source) => return Err(NetworkError::Listen { address: *address, port, protocol, source }),
        };
        port = host.port();
        all.push((Published { container: request.container, protocol, host }, listener));
    }
    Ok(all)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn bind(address: SocketAddr, protocol: Protocol) -> io::Result<(Listener, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if protocol == Protocol::Tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(family, kind, flags, None)?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if protocol == Protocol::Udp {
        rustix::net::bind(&socket, &address)?;
        let socket = UdpSocket::from(socket);
        let bound = socket.local_addr()?;
        return Ok((Listener::Udp(socket), bound));
    }
    // Connections of an earlier listener in TIME_WAIT don't block the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = TcpListener::from(socket);
    let bound = listener.local_addr()?;
    Ok((Listener::Tcp(listener), bound))
}

/// docker's `Ports`: the bindings of each port, or null for a port without any. `exposed` has entries like `80/tcp`.
pub fn describe<'a>(published: &[Published], exposed: impl Iterator<Item = &'a str>) -> Value {
    let mut ports: BTreeMap<String, Option<Vec<Value>>> = exposed.map(|port| (with_protocol(port), None)).collect();
    for one in published {
        let bindings = ports.entry(format!("{}/{}", one.container, one.protocol)).or_default();
        let binding = json!({"HostIp": one.host.ip().to_string(), "HostPort": one.host.port().to_string()});
        bindings.get_or_insert_default().push(binding);
    }
    json!(ports)
}

/// `80` is `80/tcp`.
fn with_protocol(port: &str) -> String {
    if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host_ports: Option<(u16, u16)>, protocol: Protocol) -> PortRequest {
        PortRequest { container: 80, protocol, host_address: Some(Ipv4Addr::LOCALHOST.into()), host_ports }
    }

    #[test]
    fn a_taken_port_is_named_and_a_range_goes_past_it() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let first = listen(&[request(None, protocol)]).unwrap();
            let port = first[0].0.host.port();
            let error = listen(&[request(Some((port, port)), protocol)]).unwrap_err().to_string();
            let expected = format!("bind for 127.0.0.1:{port}/{protocol} failed: port is already allocated");
            assert_eq!(error, expected);
            if port < u16::MAX - 8 {
                let next = listen(&[request(Some((port, port + 8)), protocol)]).unwrap();
                assert!(next[0].0.host.port() > port);
            }
        }
    }

    #[test]
    fn any_port_is_the_same_on_all_addresses() {
        let all = listen(&[PortRequest { host_address: None, ..request(None, Protocol::Tcp) }]).unwrap();
        assert!(all.iter().all(|(published, _)| published.host.port() == all[0].0.host.port()));
    }

    #[test]
    fn in_dockers_words() {
        let host = "0.0.0.0:9999".parse().unwrap();
        let ports = describe(
            &[Published { container: 8888, protocol: Protocol::Tcp, host }],
            ["8888/tcp", "53/udp"].into_iter(),
        );
        let expected = json!({"53/udp": null, "8888/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9999"}]});
        assert_eq!(ports, expected);
    }
}
