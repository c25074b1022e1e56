//! Connects a container to a network: an address, a veth pair, and an endpoint record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::addresses;
use super::bridge::{self, Bridge};
use super::clash;
use super::endpoint::{Endpoint, Endpoints};
use super::error::{Doing, NetworkError};
use super::link::{self, HardwareAddress, Link, VethPair};
use super::netlink::Socket;
use super::networks::{Networks, random_id};
use super::record::{BRIDGE, NetworkRecord, Pool};
use super::subnet::Subnet;

/// The requested endpoint of a container in a network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EndpointRequest {
    /// A name or an ID.
    pub network: String,
    pub aliases: Vec<String>,
    /// `NAME:ALIAS`, for other containers.
    pub links: Vec<String>,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub hardware_address: Option<HardwareAddress>,
    /// More addresses of its interface.
    pub more_addresses: Vec<IpAddr>,
    /// The network with the highest priority has the default route.
    pub gateway_priority: i64,
}

/// The owner of an endpoint.
#[derive(Debug, Clone)]
pub struct Owner {
    pub container: String,
    pub name: String,
    pub hostname: String,
    /// A file that is locked while the container lives.
    pub lock: PathBuf,
}

/// The container's network namespace, and a netlink socket in it.
pub(super) struct Inside<'a> {
    pub(super) namespace: &'a OwnedFd,
    pub(super) socket: &'a Socket,
}

/// Creates the endpoint and its interface; called in the bridges' namespace. Undoes everything if any part fails. The
/// network may get another subnet by that.
pub(super) fn attach(
    networks: &Networks,
    record: &mut NetworkRecord,
    request: &EndpointRequest,
    owner: &Owner,
    inside: &Inside<'_>,
) -> Result<Endpoint, NetworkError> {
    if record.config_only {
        return Err(NetworkError::ConfigOnly { name: record.name.clone() });
    }
    let socket = Socket::open(None).doing("open a netlink socket")?;
    let endpoints = Endpoints::of(networks.state(), &record.id);
    let mut attempts = 0;
    let (bridge, endpoint) = loop {
        match take_place(networks, record, request, owner, (&socket, inside.socket)) {
            Err(NetworkError::Overlap { .. }) if attempts < clash::ATTEMPTS && networks.choose_anew(record)? => {
                attempts += 1;
            }
            taken => break taken?,
        }
    };
    match connect(&socket, inside, &bridge, record, &endpoint, request) {
        Ok(()) => Ok(endpoint),
        Err(error) => {
            endpoints.remove(&owner.container);
            Err(error)
        }
    }
}

/// The network's bridge, and the container's place in the network, written down. The sockets are in the machine's network
/// and in the container's.
fn take_place(
    networks: &Networks,
    record: &NetworkRecord,
    request: &EndpointRequest,
    owner: &Owner,
    (socket, inside): (&Socket, &Socket),
) -> Result<(Bridge, Endpoint), NetworkError> {
    let endpoints = Endpoints::of(networks.state(), &record.id);
    let _lock = endpoints.lock()?;
    networks.note_origin(record)?;
    let bridge = bridge::ensure(socket, record, networks.machine().mtu())?;
    let others = endpoints.list_and_reap();
    let endpoint = choose(record, request, owner, &others, &free_interface(inside)?)?;
    endpoints.write(&endpoint)?;
    Ok((bridge, endpoint))
}

fn choose(
    record: &NetworkRecord,
    request: &EndpointRequest,
    owner: &Owner,
    others: &[Endpoint],
    interface: &str,
) -> Result<Endpoint, NetworkError> {
    if others.iter().any(|other| other.container == owner.container) {
        let (container, network) = (owner.name.clone(), record.name.clone());
        return Err(NetworkError::AlreadyConnected { container, network });
    }
    let pools = record.pools()?;
    let ipv4 = match one(record, &pools, request.ipv4.map(IpAddr::from), true, others)? {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    };
    let ipv6 = match one(record, &pools, request.ipv6.map(IpAddr::from), false, others)? {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    };
    let any = ipv4.map(IpAddr::from).or(ipv6.map(IpAddr::from)).ok_or(NetworkError::NoFreeSubnet)?;
    let hardware = request.hardware_address.unwrap_or_else(|| link::hardware_address(any));
    let id = random_id()?;
    // The name is not derived from the address: the interface of its last holder may still exist, because the kernel
    // removes namespaces in the background, and waiting for that takes longer than everything else.
    let host_interface = format!("rv{}", id.get(..12).unwrap_or(&id));
    Ok(Endpoint {
        id,
        container: owner.container.clone(),
        name: owner.name.clone(),
        names: if record.name == BRIDGE { Vec::new() } else { names(owner, &request.aliases) },
        aliases: request.aliases.clone(),
        ipv4,
        ipv6,
        hardware_address: hardware_text(hardware),
        host_interface,
        interface: interface.to_owned(),
        links: request.links.clone(),
        owner: owner.lock.clone(),
    })
}

/// An address of one family, from the network's pools of that family.
fn one(
    record: &NetworkRecord,
    pools: &[Pool],
    wanted: Option<IpAddr>,
    ipv4: bool,
    others: &[Endpoint],
) -> Result<Option<IpAddr>, NetworkError> {
    let own: Vec<&Pool> = pools.iter().filter(|pool| pool.subnet.is_ipv4() == ipv4).collect();
    let fitting = own.iter().find(|pool| wanted.is_none_or(|address| pool.subnet.contains(address)));
    match (fitting, wanted) {
        (Some(pool), _) => addresses::choose(&record.name, pool, wanted, others).map(Some),
        (None, Some(address)) => Err(NetworkError::AddressOutside { address, network: record.name.clone() }),
        (None, None) => Ok(None),
    }
}

/// The container's name, aliases, short ID and host name.
fn names(owner: &Owner, aliases: &[String]) -> Vec<String> {
    let id = owner.container.get(..12).unwrap_or(&owner.container);
    let mut names: Vec<String> = Vec::new();
    for name in [owner.name.as_str()].into_iter().chain(aliases.iter().map(String::as_str)).chain([id, &owner.hostname])
    {
        let name = name.to_ascii_lowercase();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `eth0`, or the next free name.
fn free_interface(inside: &Socket) -> Result<String, NetworkError> {
    for number in 0..u32::MAX {
        let name = format!("eth{number}");
        if link::find(inside, &name).doing("look at the container's interfaces")?.is_none() {
            return Ok(name);
        }
    }
    Err(NetworkError::NoFreeSubnet)
}

fn connect(
    socket: &Socket,
    inside: &Inside<'_>,
    bridge: &Bridge,
    record: &NetworkRecord,
    endpoint: &Endpoint,
    request: &EndpointRequest,
) -> Result<(), NetworkError> {
    let hardware_address = parse_hardware_address(&endpoint.hardware_address)?;
    let pair = VethPair {
        host_name: &endpoint.host_interface,
        bridge: bridge.link,
        namespace: inside.namespace,
        name: &endpoint.interface,
        hardware_address,
        mtu: bridge.mtu,
    };
    link::create_veth(socket, &pair).doing("connect the container to the bridge")?;
    let own = link::find(inside.socket, &endpoint.interface).doing("look for the container's interface")?;
    let own = own.ok_or(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("look for the interface")?;
    for address in endpoint.addresses().chain(request.more_addresses.iter().copied()) {
        let length = length_of(record, address)?;
        link::add_address(inside.socket, own, Subnet { address, length }).doing("give the container an address")?;
    }
    switch_on(inside.socket, own)
}

fn switch_on(inside: &Socket, own: Link) -> Result<(), NetworkError> {
    link::switch_on(inside, own).doing("switch on the container's interface")
}

/// The prefix length of the address's pool; outside of all pools /16, or /64 for IPv6.
fn length_of(record: &NetworkRecord, address: IpAddr) -> Result<u8, NetworkError> {
    let pools = record.pools()?;
    let own = pools.iter().find(|pool| pool.subnet.contains(address)).map(|pool| pool.subnet.length);
    Ok(own.unwrap_or(if address.is_ipv4() { 16 } else { 64 }))
}

/// Replaces the default routes by routes to these gateways.
pub(super) fn route(inside: &Socket, gateways: &[IpAddr]) -> Result<(), NetworkError> {
    for gateway in gateways {
        link::remove_default_routes(inside, gateway.is_ipv4()).doing("remove the container's route")?;
        link::add_default_route(inside, *gateway).doing("set the container's route")?;
    }
    Ok(())
}

/// Disconnects the container from the network; called in the bridges' namespace.
pub(super) fn detach(networks: &Networks, record: &NetworkRecord, endpoint: &Endpoint) -> Result<(), NetworkError> {
    let socket = Socket::open(None).doing("open a netlink socket")?;
    // The interface is gone already if the container is.
    let _ = link::delete(&socket, &endpoint.host_interface);
    Endpoints::of(networks.state(), &record.id).remove(&endpoint.container);
    Ok(())
}

pub(super) fn hardware_text(address: HardwareAddress) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

pub fn parse_hardware_address(text: &str) -> Result<HardwareAddress, NetworkError> {
    let wrong = || NetworkError::BadHardwareAddress { text: text.to_owned() };
    let bytes: Vec<u8> = text
        .split([':', '-'])
        .map(|part| if part.len() == 2 { u8::from_str_radix(part, 16).map_err(|_| wrong()) } else { Err(wrong()) })
        .collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses() {
        let address = parse_hardware_address("92:d0:C6:0a:29:33").unwrap();
        assert_eq!(hardware_text(address), "92:d0:c6:0a:29:33");
        for wrong in ["", "92:d0:c6:0a:29", "92:d0:c6:0a:29:33:44", "9:d0:c6:0a:29:33", "x2:d0:c6:0a:29:33"] {
            assert!(parse_hardware_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_small_and_once() {
        let owner = Owner {
            container: "0123456789abcdef".into(),
            name: "Web".into(),
            hostname: "0123456789ab".into(),
            lock: PathBuf::new(),
        };
        assert_eq!(names(&owner, &["WEB".into(), "www".into()]), ["web", "www", "0123456789ab"]);
    }
}
