//! `rbuild network connect` and `disconnect`

use std::process::ExitCode;

use super::network_error;
use crate::cli::CliError;
use crate::cli::global::Global;
use crate::container::network::{BRIDGE, HOST, NONE, NetworkError, NetworkRecord};
use crate::container::{
    ContainerError, Containers, EndpointConfig, Entry, IpamConfig, endpoint_request, networks_of, owner, refresh_files,
    tell_of_network,
};

const SEVERAL_WITH_NONE: &str =
    "container cannot be connected to multiple networks with one of the networks in private (none) mode";

/// Connect a container to a network
#[derive(Debug, clap::Args)]
pub struct ConnectArgs {
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Another name of the container in the network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Its IPv4 address in the network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Its IPv6 address in the network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Let it know another container by name
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    link: Vec<String>,
    /// A link-local address in the network
    #[arg(long, value_name = "ADDRESS")]
    link_local_ip: Vec<String>,
    /// The network with the highest is the way out when the container starts
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_hyphen_values = true)]
    gw_priority: i64,
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    driver_opt: Vec<String>,
}

/// Disconnect a container from a network
#[derive(Debug, clap::Args)]
pub struct DisconnectArgs {
    /// One that is gone is no error
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub(super) fn connect(args: &ConnectArgs, global: &Global) -> Result<ExitCode, CliError> {
    if !args.driver_opt.is_empty() {
        return Err(CliError::new("--driver-opt: the bridge driver has no options for containers"));
    }
    let store = global.open_store()?;
    let (containers, networks) = (Containers::of(store.root()), networks_of(store.root()));
    let record = networks.find(&args.network).map_err(network_error)?;
    let entry = containers.find(&args.container)?;
    check(&record, &entry)?;
    if entry.record.host_config.network_mode == NONE {
        return Err(CliError::new(SEVERAL_WITH_NONE));
    }
    if let Some(name) = name_in(&entry, &record) {
        let text = format!("container {} is already connected to network {name}", entry.record.plain_name());
        return Err(CliError::new(text));
    }
    if record.name == BRIDGE && (args.ip.is_some() || args.ip6.is_some()) {
        return Err(CliError::new("user specified IP address is supported on user defined networks only"));
    }
    let ipam = IpamConfig {
        ipv4_address: args.ip.clone().unwrap_or_default(),
        ipv6_address: args.ip6.clone().unwrap_or_default(),
        link_local_ips: args.link_local_ip.clone(),
    };
    let config = EndpointConfig {
        ipam_config: Some(ipam).filter(|ipam| *ipam != IpamConfig::default()),
        links: args
            .link
            .iter()
            .map(|text| if text.contains(':') { text.clone() } else { format!("{text}:{text}") })
            .collect(),
        aliases: args.alias.clone(),
        gw_priority: args.gw_priority,
        ..EndpointConfig::default()
    };
    let request = endpoint_request(&record.name, &config, &[])?;
    if entry.state.pid != 0 {
        let owner = owner(&entry.record, entry.folder());
        networks.connect(&record, &request, &owner, entry.state.pid).map_err(network_error)?;
    }
    containers.change(&entry, |container| {
        container.networks.insert(record.name.clone(), config);
        true
    })?;
    if entry.state.pid != 0 {
        // The name server has to be there before a file leads to it.
        entry.reload()?;
        refresh_files(&entry.record, entry.folder())?;
        tell_of_network(store.root(), &record, "connect", Some(&entry.record.id));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn disconnect(args: &DisconnectArgs, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let (containers, networks) = (Containers::of(store.root()), networks_of(store.root()));
    let record = networks.find(&args.network).map_err(network_error)?;
    let entry = match containers.find(&args.container) {
        Err(ContainerError::NotFound { .. }) if args.force => return Ok(ExitCode::SUCCESS),
        found => found?,
    };
    check(&record, &entry)?;
    let Some(name) = name_in(&entry, &record) else {
        let text = format!("container {} is not connected to network {}", entry.record.plain_name(), record.name);
        return Err(CliError::new(text));
    };
    if entry.state.pid != 0 {
        networks.disconnect(&record, &entry.record.id, entry.state.pid).map_err(network_error)?;
        refresh_files(&entry.record, entry.folder())?;
        tell_of_network(store.root(), &record, "disconnect", Some(&entry.record.id));
    }
    containers.change(&entry, |container| {
        container.networks.remove(&name);
        if container.host_config.network_mode == name {
            container.host_config.network_mode = container.networks.keys().next().cloned().unwrap_or(NONE.to_owned());
        }
        true
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What has the host's network, no network, or another container's can't change that.
fn check(record: &NetworkRecord, entry: &Entry) -> Result<(), CliError> {
    if record.config_only {
        return Err(network_error(NetworkError::ConfigOnly { name: record.name.clone() }));
    }
    let mode = entry.record.host_config.network_mode.as_str();
    if record.name == HOST || mode == HOST {
        return Err(CliError::new("container cannot be connected to or disconnected from host network"));
    }
    if record.name == NONE {
        return Err(CliError::new(SEVERAL_WITH_NONE));
    }
    if mode.starts_with("container:") {
        return Err(CliError::new(
            "container sharing network namespace with another container cannot be connected to any other network",
        ));
    }
    Ok(())
}

/// How the container's record calls the network.
fn name_in(entry: &Entry, record: &NetworkRecord) -> Option<String> {
    let is_same = |name: &&String| **name == record.name || (name.len() >= 12 && record.id.starts_with(name.as_str()));
    entry.record.networks.keys().find(is_same).cloned()
}
