//! `rbuild network connect` and `disconnect`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::global::Global;
use crate::container::{EndpointConfig, IpamConfig};
use crate::engine::network::{self, MembershipError};

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
    network::connect(store.root(), &args.network, &args.container, config).map_err(membership_error)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn disconnect(args: &DisconnectArgs, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    network::disconnect(store.root(), &args.network, &args.container, args.force).map_err(membership_error)?;
    Ok(ExitCode::SUCCESS)
}

fn membership_error(error: MembershipError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
