//! Connects containers to networks and disconnects them.

use std::path::Path;

use crate::base::io_error::IoError;
use crate::container::network::{BRIDGE, HOST, NONE, NetworkError, NetworkRecord};
use crate::container::{
    ContainerError, Containers, EndpointConfig, Entry, NetworkMode, endpoint_request, lacks_namespaces, networks_of,
    owner, refresh_files, tell_of_network,
};

/// Why a container could not be connected or disconnected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum MembershipError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("container cannot be connected to multiple networks with one of the networks in private (none) mode")]
    SeveralWithNone,
    #[error("container cannot be connected to or disconnected from host network")]
    HostNetwork,
    #[error("container sharing network namespace with another container cannot be connected to any other network")]
    SharedNamespace,
    #[error("container {container} is already connected to network {network}")]
    IsIn { container: String, network: String },
    #[error("container {container} is not connected to network {network}")]
    IsNotIn { container: String, network: String },
    #[error("endpoint {container} not found")]
    NoEndpoint { container: String },
    #[error("user specified IP address is supported on user defined networks only")]
    AddressOnBridge,
}

impl MembershipError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Network(error) => error.hint(),
            _ => None,
        }
    }
}

/// Connects a container, which need not be running, to a network.
pub fn connect(
    store_root: &Path,
    network: &str,
    container: &str,
    config: EndpointConfig,
) -> Result<(), MembershipError> {
    let (containers, networks) = (Containers::of(store_root), networks_of(store_root));
    let entry = containers.find(container)?;
    let record = networks.find(network)?;
    check(&record, &entry)?;
    if lacks_namespaces(&entry.record) {
        let what = "a container without namespaces can't have a network of its own".to_owned();
        return Err(NetworkError::Refused { what }.into());
    }
    // A container that has left its last network has that mode, too.
    let has_left_all = entry.record.networks.is_empty();
    if entry.record.host_config.network_mode == NetworkMode::None && !has_left_all {
        return Err(MembershipError::SeveralWithNone);
    }
    if let Some(network) = name_in(&entry, &record) {
        return Err(MembershipError::IsIn { container: entry.record.plain_name().to_owned(), network });
    }
    let has_address = |config: &EndpointConfig| {
        let ipam = config.ipam_config.as_ref();
        ipam.is_some_and(|ipam| !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty())
    };
    if record.name == BRIDGE && has_address(&config) {
        return Err(MembershipError::AddressOnBridge);
    }
    let request = endpoint_request(&record.name, &config, &[])?;
    if entry.state.pid != 0 {
        let owner = owner(&entry.record, entry.folder());
        networks.connect(&record, &request, &owner, entry.state.pid)?;
    }
    containers.change(&entry, |container| {
        container.networks.insert(record.name.clone(), config);
        if has_left_all {
            container.host_config.network_mode = NetworkMode::of(&record.name);
        }
        true
    })?;
    if entry.state.pid != 0 {
        // The name server has to run before a file refers to it.
        entry.reload()?;
        refresh_files(&entry.record, entry.folder())?;
        tell_of_network(store_root, &record, "connect", Some(&entry.record.id));
    }
    Ok(())
}

/// Disconnects a container from a network. With `force`, docker cleans up after a container that is gone; rbuild's
/// containers leave nothing.
pub fn disconnect(store_root: &Path, network: &str, container: &str, force: bool) -> Result<(), MembershipError> {
    let (containers, networks) = (Containers::of(store_root), networks_of(store_root));
    let entry = match containers.find(container) {
        Err(ContainerError::NotFound { .. }) if force => {
            return Err(MembershipError::NoEndpoint { container: container.to_owned() });
        }
        found => found?,
    };
    let record = networks.find(network)?;
    check(&record, &entry)?;
    let Some(name) = name_in(&entry, &record) else {
        let container = entry.record.id.clone();
        return Err(MembershipError::IsNotIn { container, network: record.name });
    };
    if entry.state.pid != 0 {
        networks.disconnect(&record, &entry.record.id, entry.state.pid)?;
        refresh_files(&entry.record, entry.folder())?;
        tell_of_network(store_root, &record, "disconnect", Some(&entry.record.id));
    }
    containers.change(&entry, |container| {
        container.networks.remove(&name);
        let mode = &mut container.host_config.network_mode;
        if mode.network() == Some(&name) {
            *mode = container.networks.keys().next().map_or(NetworkMode::None, |other| NetworkMode::of(other));
        }
        true
    })?;
    Ok(())
}

/// A container with the host's network, no network, or another container's network can't change that.
fn check(record: &NetworkRecord, entry: &Entry) -> Result<(), MembershipError> {
    if record.config_only {
        return Err(NetworkError::ConfigOnly { name: record.name.clone() }.into());
    }
    let mode = &entry.record.host_config.network_mode;
    if record.name == HOST || *mode == NetworkMode::Host {
        return Err(MembershipError::HostNetwork);
    }
    if record.name == NONE {
        return Err(MembershipError::SeveralWithNone);
    }
    if mode.container().is_some() {
        return Err(MembershipError::SharedNamespace);
    }
    Ok(())
}

/// The network's name in the container's record.
fn name_in(entry: &Entry, record: &NetworkRecord) -> Option<String> {
    let is_same = |name: &&String| **name == record.name || (name.len() >= 12 && record.id.starts_with(name.as_str()));
    entry.record.networks.keys().find(is_same).cloned()
}
