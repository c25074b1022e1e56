//! Networks of containers: bridges, addresses, published ports, name resolution.
//!
//! Each network is a bridge, and reaches the world through NAT: on the host for root, in a namespace that the containers of
//! one store share for an ordinary user, out of which pasta leads (`machine`).
//! A container's network lives in the process that holds its [`Live`], and ends with it, however it ends: interfaces go
//! with the namespace, rules of published ports with the socket that made them, addresses with the owner's lock.
//! Must not know builds, images or what runs in a container.

mod addresses;
mod attach;
mod bridge;
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

/// What the default network came to.
#[derive(Debug)]
pub enum Connection {
    Own(NetworkNamespace),
    /// An ordinary user can have no network of their own here; the host's has to do, and the user has to be told.
    HostInstead {
        reason: NetworkError,
    },
}

/// Makes the default network. Without pasta, or without the device it needs, an ordinary user gets the host's network, and
/// so does root of a container that may not change networks:
/// programs that need a way out can still be run. See [`NetworkNamespace::create`].
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
    /// What the user is told when it is not a network of its own.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Own(_) => None,
            Self::HostInstead { reason } => {
                Some(format!("using the host's network, with less isolation: {}", chain(reason)))
            }
        }
    }
}
