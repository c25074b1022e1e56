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
