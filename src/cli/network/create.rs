//! `rbuild network create`

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::network_error;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::network::{IpamPool, NewNetwork, Subnet};
use crate::engine::network;

/// Make a network: a bridge of its own, on which containers know each other by name
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NETWORK")]
    name: String,
    /// The kind of network: bridge
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// Its addresses, such as 10.5.0.0/16; may be given for IPv4 and IPv6
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// The host's address in it
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// The part of the subnet that containers get addresses from
    #[arg(long, value_name = "SUBNET")]
    ip_range: Vec<String>,
    /// An address that somebody else has
    #[arg(long, value_name = "NAME=ADDRESS")]
    aux_address: Vec<String>,
    /// Without a way out
    #[arg(long)]
    internal: bool,
    /// With addresses of IPv6
    #[arg(long)]
    ipv6: bool,
    /// With addresses of IPv4, which every network has here
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    ipv4: Option<bool>,
    /// Any container may join, as on every network here
    #[arg(long)]
    attachable: bool,
    /// Note something about the network
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::container::run::label_form)]
    label: Vec<String>,
    /// com.docker.network.bridge.name=, .enable_icc=, .enable_ip_masquerade=, com.docker.network.driver.mtu=
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// `default`: rbuild gives out the addresses itself
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    ipam_driver: String,
    /// Kept with the network; the default driver has no options
    #[arg(long, value_name = "KEY=VALUE")]
    ipam_opt: Vec<String>,
    /// `local`, as every network here
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    #[arg(long, hide = true)]
    ingress: bool,
    /// Keep the settings only, for networks that are made with --config-from
    #[arg(long)]
    config_only: bool,
    /// Take the settings of a network that was made with --config-only
    #[arg(long, value_name = "NETWORK")]
    config_from: Option<String>,
}

pub(super) fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    refuse(&args)?;
    let store = global.open_store()?;
    let new = NewNetwork {
        pools: pools(&args)?,
        name: args.name,
        driver: args.driver,
        internal: args.internal,
        attachable: args.attachable,
        ipv6: args.ipv6,
        ipam_driver: args.ipam_driver,
        ipam_options: Some(pairs(&args.ipam_opt)),
        config_only: args.config_only,
        config_from: args.config_from.unwrap_or_default(),
        options: pairs(&args.opt),
        labels: pairs(&args.label),
    };
    let record = network::create(store.root(), new).map_err(network_error)?;
    output::print(&format!("{}\n", record.id))?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what requires a cluster.
fn refuse(args: &Args) -> Result<(), CliError> {
    let wrong = |what: &str| Err(CliError::new(what.to_owned()));
    match args.driver.as_str() {
        // overlay connects machines; the other two give containers an interface of the host, without a bridge and
        // everything that is built on it: ports, names, isolation.
        driver @ ("overlay" | "macvlan" | "ipvlan") => {
            let text = format!("there is no driver `{driver}`: rbuild has bridge networks only");
            return Err(CliError::new(text).hint("use `bridge`, or `--network host` for the container"));
        }
        _ if args.ingress => return wrong("--ingress is for swarms, which rbuild does not have"),
        _ => {}
    }
    if args.scope.as_deref().is_some_and(|scope| scope != "local") {
        return wrong("--scope: rbuild's networks are local");
    }
    if !matches!(args.ipam_driver.as_str(), "" | "default") {
        return wrong("--ipam-driver: there is `default` only, as rbuild gives out the addresses itself");
    }
    if args.ipv4 == Some(false) {
        return wrong("--ipv4=false: every network of rbuild has addresses of IPv4");
    }
    Ok(())
}

/// Assigns gateways, ranges and other addresses to the subnet that contains them.
fn pools(args: &Args) -> Result<Vec<IpamPool>, CliError> {
    let mut pools = Vec::new();
    for subnet in &args.subnet {
        subnet.parse::<Subnet>().map_err(network_error)?;
        pools.push(IpamPool { subnet: subnet.clone(), ..IpamPool::default() });
    }
    let find = |text: &str, pools: &mut Vec<IpamPool>| -> Result<usize, CliError> {
        let address = text.split('/').next().unwrap_or(text);
        let address = address.parse().map_err(|_| CliError::new(format!("invalid address: {text}")))?;
        let is_around = |pool: &IpamPool| pool.subnet.parse::<Subnet>().is_ok_and(|subnet| subnet.contains(address));
        pools.iter().position(is_around).ok_or_else(|| CliError::new(format!("no matching subnet for {text}")))
    };
    for text in &args.gateway {
        let at = find(text, &mut pools)?;
        if !pools[at].gateway.is_empty() {
            return Err(CliError::new("cannot configure multiple gateways (gateways) for the same subnet"));
        }
        pools[at].gateway = text.clone();
    }
    for text in &args.ip_range {
        let at = find(text, &mut pools)?;
        pools[at].ip_range = text.clone();
    }
    for (name, address) in pairs(&args.aux_address) {
        let at = find(&address, &mut pools)?;
        pools[at].auxiliary_addresses.insert(name, address);
    }
    Ok(pools)
}

fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let split =
        |text: &String| text.split_once('=').map_or((text.clone(), String::new()), |(a, b)| (a.into(), b.into()));
    texts.iter().map(split).collect()
}
