//! Errors of containers' networks.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::publish::Protocol;
use crate::base::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("network {name} not found")]
    Unknown { name: String },
    #[error("cannot {action}")]
    Kernel {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("routes of this machine take every private address range that rbuild uses for containers")]
    NoFreeSubnet,
    #[error("all addresses of network `{network}` are in use")]
    NoFreeAddress { network: String },
    #[error("address `{address}` of network `{network}` is already in use")]
    AddressInUse { address: IpAddr, network: String },
    #[error("address `{address}` is in no subnet of network `{network}`")]
    AddressOutside { address: IpAddr, network: String },
    #[error("`{text}` is not a valid subnet: write it like 10.5.0.0/16")]
    BadSubnet { text: String },
    #[error("`{text}` is not an IP address")]
    BadAddress { text: String },
    #[error("`{text}` is not a valid MAC address: write it like 92:d0:c6:0a:29:33")]
    BadHardwareAddress { text: String },
    #[error("subnet `{subnet}` overlaps with {other}")]
    Overlap { subnet: String, other: String },
    #[error("network {name} keeps settings only (--config-only), and no container can be in it")]
    ConfigOnly { name: String },
    #[error("configuration network \"{name}\" is in use")]
    ConfigInUse { name: String },
    #[error("configuration network \"{name}\" does not exist")]
    NoConfig { name: String },
    #[error("network with name {name} already exists")]
    NameTaken { name: String },
    #[error("`{name}` is not a valid network name: it is empty or has control characters")]
    BadName { name: String },
    #[error("network {prefix} is ambiguous: several IDs start with it")]
    Ambiguous { prefix: String },
    #[error("{name} is a pre-defined network and cannot be removed")]
    Predefined { name: String },
    #[error("operation is not permitted on predefined {name} network")]
    PredefinedName { name: String },
    /// With the names of the containers, and the endpoints' IDs.
    #[error("network {name} has active endpoints: {}", endpoints.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))]
    InUse { name: String, endpoints: Vec<(String, String)> },
    #[error("the record of a network, `{path}`, can't be read")]
    DamagedRecord {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// Other drivers than `bridge` belong to plugins or clusters, which need a daemon.
    #[error("there is no driver `{driver}`: rbuild has bridge networks only")]
    Driver { driver: String },
    #[error("only one instance of \"{driver}\" network is allowed")]
    OneInstance { driver: String },
    #[error("bridge driver doesn't support multiple subnets")]
    ManySubnets,
    #[error("{what}")]
    Refused { what: String },
    #[error("bind for {address}:{port}/{protocol} failed: port is already allocated")]
    PortTaken { address: IpAddr, port: u16, protocol: Protocol },
    #[error("can't listen on {address}:{port}/{protocol}")]
    Listen {
        address: IpAddr,
        port: u16,
        protocol: Protocol,
        #[source]
        source: io::Error,
    },
    #[error("container {container} is already connected to network {network}")]
    AlreadyConnected { container: String, network: String },
    #[error("container {container} is not connected to network {network}")]
    NotConnected { container: String, network: String },
    #[error("pasta, which connects containers of ordinary users, is not installed")]
    NoPasta,
    #[error("`/dev/net/tun`, which pasta needs, can't be opened by this user")]
    NoTunDevice,
    #[error("pasta could not connect the containers: {message}")]
    Pasta { message: String },
    #[error("the container uses the host's network, so no other can be added")]
    NotInMachine,
    #[error("`{text}`: the host has no address that the container could reach it at")]
    NoHostGateway { text: String },
    #[error("`{text}` is not a valid host entry: write NAME:IP")]
    AddHost { text: String },
}

impl NetworkError {
    /// Whether this process may not change networks at all, because its container or user namespace lacks the rights.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Kernel { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Whether the user can't run pasta here.
    pub(super) fn is_no_pasta(&self) -> bool {
        matches!(self, Self::NoPasta | Self::NoTunDevice)
    }

    /// Whether the networks exist, but have no uplink.
    pub(super) fn is_no_way_out(&self) -> bool {
        self.is_no_pasta() || matches!(self, Self::Pasta { .. })
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPasta => Some("install the package `passt`, or use `--network host` or `--network none`"),
            Self::NoTunDevice => Some(
                "an administrator can allow it with `chmod 666 /dev/net/tun`; or use `--network host` or `--network none`",
            ),
            Self::NotInMachine => Some("restart it when pasta works: it was started without"),
            Self::Kernel { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("rbuild may not change this machine's network; use `--network host` or `--network none`")
            }
            Self::Unknown { .. } => Some("`rbuild network ls` lists the networks"),
            Self::InUse { .. } => Some("stop them, or disconnect them with `rbuild network disconnect`"),
            Self::Driver { .. } => Some("there are `bridge`, `host` and `none`"),
            Self::Listen { source, port, .. } if source.kind() == io::ErrorKind::PermissionDenied && *port < 1024 => {
                Some(
                    "ordinary users may have ports from 1024 on; an administrator can allow more with the kernel parameter \
                 net.ipv4.ip_unprivileged_port_start",
                )
            }
            Self::PortTaken { .. } => Some("another container or program listens there; choose another port with -p"),
            _ => None,
        }
    }
}

/// Adds to an error what was being done.
pub(super) trait Doing<T> {
    fn doing(self, action: &'static str) -> Result<T, NetworkError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: &'static str) -> Result<T, NetworkError> {
        self.map_err(|source| NetworkError::Kernel { action, source: source.into() })
    }
}
