//! Networks of containers: a namespace with a way out, name resolution, and the addresses they have.
//!
//! As root, a container's namespace hangs on the bridge `rbuild0` and reaches the world through NAT; rootless, pasta
//! carries its connections. Must not know builds, images or what runs in a container.

mod addresses;
mod bridge;
mod error;
mod link;
mod namespace;
mod nat;
mod netlink;
mod pasta;
mod resolver;

pub use error::NetworkError;
pub use namespace::NetworkNamespace;
pub use pasta::find as find_pasta;
pub use resolver::{Hosts, NameServers};

/// What a container is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// A namespace of its own, with a way out.
    #[default]
    Default,
    /// The host's network itself.
    Host,
    /// A namespace with nothing but loopback.
    None,
}

/// What the default network came to.
#[derive(Debug)]
pub enum Connection {
    Own(NetworkNamespace),
    /// An ordinary user can have no network of their own here; the host's has to do, and the user has to be told.
    HostInstead {
        reason: NetworkError,
    },
}

/// Makes the default network. Without pasta, or without the device it needs, an ordinary user gets the host's network:
/// programs that need a way out can still be run. See [`NetworkNamespace::create`].
pub fn connect(state: &std::path::Path, rootless: bool) -> Result<Connection, NetworkError> {
    match NetworkNamespace::create(state, rootless) {
        Ok(own) => Ok(Connection::Own(own)),
        Err(reason @ (NetworkError::NoPasta | NetworkError::NoTunDevice)) if rootless => {
            Ok(Connection::HostInstead { reason })
        }
        Err(error) => Err(error),
    }
}

impl Connection {
    /// What the user is told when it is not a network of its own.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Own(_) => None,
            Self::HostInstead { reason } => Some(format!("using the host's network, with less isolation: {reason}")),
        }
    }
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "default" | "bridge" => Ok(Self::Default),
            "host" => Ok(Self::Host),
            "none" => Ok(Self::None),
            other => Err(NetworkError::Unknown { name: other.to_owned() }),
        }
    }
}
