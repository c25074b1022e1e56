//! The bridge of a network, created by the first container that needs it.

use std::fs;
use std::path::Path;

use super::error::{Doing, NetworkError};
use super::firewall::BridgeRules;
use super::link::{self, Link};
use super::netlink::Socket;
use super::record::{NetworkRecord, Pool};
use super::subnet::Subnet;
use crate::base::boolean;
use crate::base::io_error::AtPath;

/// The bridge of the default network.
pub(super) const DEFAULT: &str = "rb-bridge";

const FORWARDING: [&str; 2] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/// The maximum length of an interface's name (linux/if.h).
const LONGEST_NAME: usize = 15;

#[derive(Debug, Clone, Copy)]
pub(super) struct Bridge {
    pub(super) link: Link,
    /// The MTU of the uplink.
    pub(super) mtu: u32,
}

/// The supported options, and those of docker's that have no effect on a single host without a daemon.
const OPTIONS: [&str; 7] = [
    "com.docker.network.bridge.name",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.default_bridge",
    "com.docker.network.driver.mtu",
    "com.docker.network.enable_ipv6",
    "com.docker.network.bridge.host_binding_ipv4",
];

const BOOLEANS: [&str; 4] = [OPTIONS[1], OPTIONS[2], OPTIONS[3], OPTIONS[5]];

/// Refuses options that could only be ignored.
pub(super) fn check_options(record: &NetworkRecord) -> Result<(), NetworkError> {
    let refuse = |what: String| Err(NetworkError::Refused { what });
    for (option, value) in &record.options {
        if !OPTIONS.contains(&option.as_str()) {
            return refuse(format!("the bridge driver has no option `{option}` here"));
        }
        if option == OPTIONS[4] && value.parse::<u32>().is_err() {
            return refuse(format!("`{value}` is not an MTU"));
        }
        if BOOLEANS.contains(&option.as_str()) && boolean(value).is_none() {
            return refuse(format!("failed to parse {option} value: {value}"));
        }
    }
    let name = record.interface();
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(['/', ' ']) {
        return refuse(format!("`{name}` can't be the name of an interface"));
    }
    Ok(())
}

/// The subnet of the default network, where its bridge is there already.
pub(super) fn default_subnet() -> Result<Option<Subnet>, NetworkError> {
    let socket = Socket::open(None).doing("open a netlink socket")?;
    if let Some(found) = link::find(&socket, DEFAULT).doing("look for the bridge")?
        && let Some(address) = link::address_of(&socket, found).doing("read the bridge's address")?
    {
        return Ok(Some(address.network()));
    }
    Ok(None)
}

/// The destinations of the routes in this process's network, except the default one.
pub(super) fn host_routes() -> Result<Vec<Subnet>, NetworkError> {
    let socket = Socket::open(None).doing("open a netlink socket")?;
    let routes = link::routes(&socket).doing("read the routes")?;
    Ok(routes.into_iter().map(|(route, _)| route).filter(|route| route.length > 0).collect())
}

/// Creates the bridge, with forwarding, isolation and NAT. The caller holds the network's lock. `most` is the MTU of an
/// uplink that may not exist yet.
pub(super) fn ensure(socket: &Socket, record: &NetworkRecord, most: Option<u32>) -> Result<Bridge, NetworkError> {
    let (name, pools) = (record.interface(), record.pools()?);
    let routes = link::routes(socket).doing("read the routes")?;
    let way_out = routes.iter().find(|(subnet, _)| subnet.length == 0).map(|(_, interface)| *interface);
    let way_out = way_out.map(|index| link::by_index(socket, index)).transpose().doing("look at the way out")?;
    let usual = || way_out.flatten().map_or(1500, |link| link.mtu.min(1500));
    let mtu = record.mtu().or(most).unwrap_or_else(usual);
    let link = match find(socket, &name)? {
        Some(link) => link,
        None => create(socket, record, &name, &routes)?,
    };
    let subnets: Vec<Subnet> = pools.iter().map(|pool| pool.subnet).collect();
    let rules = BridgeRules {
        bridge: &name,
        subnets: &subnets,
        internal: record.internal,
        masquerade: record.is_on("com.docker.network.bridge.enable_ip_masquerade"),
        open_inside: record.is_on("com.docker.network.bridge.enable_icc"),
    };
    rules.ensure().doing("set up address translation (nftables)")?;
    let families = if record.enable_ipv6 { 2 } else { 1 };
    FORWARDING[..families].iter().try_for_each(|path| switch_on(Path::new(path)))?;
    Ok(Bridge { link, mtu })
}

/// A bridge without an address was left half made by an rbuild that was killed, and is removed.
fn find(socket: &Socket, name: &str) -> Result<Option<Link>, NetworkError> {
    let Some(link) = link::find(socket, name).doing("look for the bridge")? else { return Ok(None) };
    match link::address_of(socket, link).doing("read the bridge's address")? {
        Some(_) => Ok(Some(link)),
        None => link::delete(socket, name).doing("remove the half-made bridge").map(|()| None),
    }
}

fn create(socket: &Socket, record: &NetworkRecord, name: &str, routes: &[(Subnet, u32)]) -> Result<Link, NetworkError> {
    let pools = record.pools()?;
    let overlapping = |pool: &&Pool| routes.iter().any(|(route, _)| route.length > 0 && route.overlaps(pool.subnet));
    if let Some(pool) = pools.iter().find(overlapping) {
        let other = "a route that this machine has got since".to_owned();
        return Err(NetworkError::Overlap { subnet: pool.subnet.to_string(), other });
    }
    let Some(first) = pools.first() else { return Err(NetworkError::NoFreeSubnet) };
    link::create_bridge(socket, name, link::hardware_address(first.gateway)).doing("make the bridge")?;
    let link = link::find(socket, name).doing("look for the bridge")?;
    let link = link.ok_or(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("look for the bridge")?;
    if let Some(mtu) = record.mtu() {
        link::set_mtu(socket, link, mtu).doing("set the bridge's MTU")?;
    }
    // IPv4 comes last: a bridge that has it is complete.
    for pool in pools.iter().rev() {
        let address = Subnet { address: pool.gateway, length: pool.subnet.length };
        link::add_address(socket, link, address).doing("give the bridge an address")?;
    }
    link::switch_on(socket, link).doing("switch on the bridge")?;
    Ok(link)
}

fn switch_on(path: &Path) -> Result<(), NetworkError> {
    if fs::read(path).at("read", path)?.first() != Some(&b'1') {
        fs::write(path, "1").at("switch on forwarding in", path)?;
    }
    Ok(())
}
