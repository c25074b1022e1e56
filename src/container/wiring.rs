//! Where a container meets its networks: the only file of this folder that calls `network`.
//!
//! [`connect`] is called before the program starts, in the process that will be there until the container has ended.
//! What it gives is dropped then.

use std::net::IpAddr;

use super::error::ContainerError;
use super::record::{NetworkSettings, Record};
use crate::network::{self, Connection, Hosts, NameServers, NetworkNamespace};
use crate::sandbox::{Mount, MountSource, NetworkIsolation, user_namespace};

/// What the rbuild processes of root share about the network; empty after a boot.
const NETWORK_STATE: &str = "/run/rbuild";

/// A container's connection to its networks, which lasts as long as this.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) isolation: NetworkIsolation,
    /// `resolv.conf`, `hosts` and `hostname`.
    pub(super) files: Vec<Mount>,
    /// For inspect: addresses, ports, networks.
    pub(super) settings: NetworkSettings,
    /// What the user should be told.
    pub(super) warning: Option<String>,
    _namespace: Option<NetworkNamespace>,
}

/// Makes the container's connections.
pub(super) fn connect(record: &Record) -> Result<Wiring, ContainerError> {
    let (namespace, warning, is_host) = match record.host_config.network_mode.as_str() {
        "none" => (None, None, false),
        "host" => (None, None, true),
        _ => match network::connect(NETWORK_STATE.as_ref(), user_namespace::entered().is_some())? {
            Connection::Own(namespace) => (Some(namespace), None, false),
            instead => (None, instead.warning(), true),
        },
    };
    let isolation = match (&namespace, is_host) {
        (Some(namespace), _) => NetworkIsolation::Namespace(namespace.descriptor()),
        (None, true) => NetworkIsolation::Host,
        (None, false) => NetworkIsolation::Empty,
    };
    let files = files(record, namespace.as_ref(), is_host)?;
    Ok(Wiring { isolation, files, settings: NetworkSettings::new(), warning, _namespace: namespace })
}

fn files(record: &Record, namespace: Option<&NetworkNamespace>, is_host: bool) -> Result<Vec<Mount>, ContainerError> {
    let hostname = &record.config.hostname;
    let host = &record.host_config;
    let address = namespace.and_then(NetworkNamespace::address);
    let hosts = Hosts {
        own: address.map(|address| (address, hostname.clone())),
        added: host.extra_hosts.clone(),
        host_gateway: match namespace {
            Some(namespace) => namespace.host_gateway().map(IpAddr::from),
            None => is_host.then(|| std::net::Ipv4Addr::LOCALHOST.into()),
        },
    };
    let servers =
        NameServers { servers: host.dns.clone(), search: host.dns_search.clone(), options: host.dns_options.clone() };
    let file = |target: &str, content: String| Mount {
        target: target.into(),
        source: MountSource::File { content: content.into_bytes(), mode: 0o644, uid: 0, gid: 0 },
        read_only: false,
    };
    Ok(vec![
        file("/etc/resolv.conf", servers.file(is_host)?),
        file("/etc/hostname", format!("{hostname}\n")),
        file("/etc/hosts", hosts.file()?),
    ])
}
