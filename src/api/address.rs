//! The addresses of the service.

use std::path::{Path, PathBuf};

use super::listen_error::ListenError;
use super::socket_file::ROOTS;

/// Docker's ports, without and with TLS.
const PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at this path.
    Path(PathBuf),
    /// The sockets that systemd passes.
    Passed,
    /// A network address.
    Network {
        /// A name or an address, without brackets.
        host: String,
        /// `None` is docker's own port; 0 is any free one.
        port: Option<u16>,
    },
}

impl std::str::FromStr for Address {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let found = match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Some(Self::Path(path.into())),
            Some(("fd", "" | "*")) => Some(Self::Passed),
            Some(("tcp", rest)) => network(rest.strip_suffix('/').unwrap_or(rest)),
            _ => None,
        };
        found.ok_or_else(|| ListenError::Address { text: text.to_owned() })
    }
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`; without a host it is localhost, as with docker.
fn network(text: &str) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(number) => Some(number.parse().ok()?),
        None => port.is_empty().then_some(None)?,
    };
    let is_name = host.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_:%".contains(letter));
    let host = if host.is_empty() { "localhost" } else { host };
    is_name.then(|| Address::Network { host: host.to_owned(), port })
}

impl Address {
    /// The usual socket, which docker's tools are pointed to: root's, or an ordinary user's own.
    pub fn usual(is_root: bool, runtime_folder: Option<&Path>) -> Option<Self> {
        let own = || runtime_folder.map(|folder| folder.join("rbuild"));
        let folder = if is_root { Some(PathBuf::from(ROOTS)) } else { own() };
        folder.map(|folder| Self::Path(folder.join("docker.sock")))
    }
}

/// The default port.
pub fn usual_port(has_tls: bool) -> u16 {
    if has_tls { TLS_PORT } else { PORT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("unix:///a/b".parse::<Address>().unwrap(), Address::Path("/a/b".into()));
        assert_eq!("fd://".parse::<Address>().unwrap(), Address::Passed);
        let network = |host: &str, port| Address::Network { host: host.to_owned(), port };
        for (text, address) in [
            ("tcp://127.0.0.1:99", network("127.0.0.1", Some(99))),
            ("tcp://host/", network("host", None)),
            ("tcp://", network("localhost", None)),
            ("tcp://:5", network("localhost", Some(5))),
            ("tcp://[::1]:7", network("::1", Some(7))),
            ("tcp://[::1]", network("::1", None)),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address, "{text}");
        }
        for wrong in
            ["", "/a", "unix://", "tcp://a:b", "tcp://a:70000", "tcp://a/b", "tcp://a@b", "tcp://[::1]x", "fd://3"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
