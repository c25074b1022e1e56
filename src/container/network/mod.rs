//! Networks of containers: bridges, addresses, published ports, name resolution.
//!
//! Each network is a bridge, and reaches the outside through NAT: on the host for root, and for an ordinary user in a
//! namespace that the containers of one store share, with pasta as its uplink (`machine`). A container's network
//! belongs to the process that holds its [`Live`], and ends with that process in any case: the interfaces with the
//! namespace, the rules for published ports with the socket that created them, the addresses with the owner's lock.
//! Knows nothing about builds, images or what runs in a container.

mod addresses;
mod attach;
mod bridge;
mod clash;
mod describe;
mod dns;
mod endpoint;
mod error;
mod firewall;
mod forward;
mod fresh;
mod leftovers;
mod link;
mod live;
mod machine;
mod membership;
mod namespace;
mod netlink;
mod networks;
mod nft;
mod pasta;
mod place;
mod publish;
mod record;
mod resolver;
mod service;
mod subnet;

use std::path::Path;

use crate::base::io_error::chain;

pub use attach::{EndpointRequest, Owner, parse_hardware_address};
pub use describe::{network as describe_network, place as describe_place};
#[doc(hidden)]
pub use dns::examine as examine_dns_message;
pub use endpoint::Endpoint;
pub use error::NetworkError;
pub use fresh::FreshNamespace;
pub use live::{Live, Mode, NetworkRequest, files};
pub use namespace::NetworkNamespace;
pub use networks::{Networks, NewNetwork};
pub use pasta::refused as pasta_refused;
pub use place::Place;
pub use publish::{PortRequest, Protocol, Published, describe as describe_ports};
pub use record::{BRIDGE, HOST, Ipam, IpamPool, NONE, NetworkRecord};
pub use resolver::{Hosts, NameServers};
pub use subnet::Subnet;

/// The outcome of connecting to the default network.
#[derive(Debug)]
pub enum Connection {
    Own(NetworkNamespace),
    /// The user can't have a network of their own here; the host's is used instead, with a warning.
    HostInstead {
        reason: NetworkError,
    },
}

/// Connects to the default network. Without pasta, or without the device that it needs, an ordinary user gets the
/// host's network, and so does root in a container that may not change networks: programs that need an uplink can still
/// run. See [`NetworkNamespace::create`].
pub fn connect(store_root: &Path, rootless: bool, fresh: Option<FreshNamespace>) -> Result<Connection, NetworkError> {
    match NetworkNamespace::create(store_root, rootless, fresh) {
        Ok(own) => Ok(Connection::Own(own)),
        Err(reason) if reason.is_no_pasta() && rootless || reason.is_forbidden() => {
            Ok(Connection::HostInstead { reason })
        }
        Err(error) => Err(error),
    }
}

impl Connection {
    /// A warning for the user if the network is the host's.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Own(_) => None,
            Self::HostInstead { reason } => {
                Some(format!("using the host's network, with less isolation: {}", chain(reason)))
            }
        }
    }
}
