//! Interfaces, addresses and routes (rtnetlink(7)).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use super::netlink::{Attributes, CREATE, EXCLUSIVE, Message, Socket, find_attribute, number};
use super::subnet::{Subnet, octets};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

/// Attributes of links (linux/if_link.h).
const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const LINK_NAMESPACE_FD: u16 = 28;
const LINK_SENDING_QUEUES: u16 = 31;
const LINK_RECEIVING_QUEUES: u16 = 32;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;

/// Attributes of addresses and routes (linux/if_addr.h, linux/rtnetlink.h).
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ROUTE_DESTINATION: u16 = 1;
const ROUTE_OUT_INTERFACE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;

const UP: u32 = 1;
const IPV4: u8 = libc::AF_INET as u8;
const IPV6: u8 = libc::AF_INET6 as u8;
/// The address is usable at once: nothing else can have it.
const NO_DUPLICATE_DETECTION: u8 = 2;
/// The lengths of ifinfomsg, ifaddrmsg and rtmsg.
const LINK_FIXED: usize = 16;
const ADDRESS_FIXED: usize = 8;
const ROUTE_FIXED: usize = 12;

const MAIN_TABLE: u8 = 254;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) mtu: u32,
}

/// A veth pair: one end on the bridge, the other in the container's namespace.
pub(super) struct VethPair<'a> {
    pub(super) host_name: &'a str,
    pub(super) bridge: Link,
    pub(super) namespace: &'a OwnedFd,
    pub(super) name: &'a str,
    pub(super) hardware_address: [u8; 6],
    pub(super) mtu: u32,
}

pub(super) type HardwareAddress = [u8; 6];

/// Derived from the address, so that ARP caches stay correct when the address is reused.
pub(super) fn hardware_address(address: IpAddr) -> HardwareAddress {
    let octets = octets(address);
    let tail = &octets[octets.len() - 4..];
    [0x02, 0x42, tail[0], tail[1], tail[2], tail[3]]
}

/// The interface with that name, if it exists.
pub(super) fn find(socket: &Socket, name: &str) -> io::Result<Option<Link>> {
    match socket.get(&Message::new(GET_LINK, 0, &link_fixed(0, 0)).text(LINK_NAME, name)) {
        Ok(reply) => Ok(parse_link(&reply)),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn by_index(socket: &Socket, index: u32) -> io::Result<Option<Link>> {
    let reply = socket.get(&Message::new(GET_LINK, 0, &link_fixed(index, 0)))?;
    Ok(parse_link(&reply))
}

/// With a fixed hardware address: otherwise it takes that of a port, which changes as containers come and go.
pub(super) fn create_bridge(socket: &Socket, name: &str, hardware_address: HardwareAddress) -> io::Result<()> {
    let information = Attributes::default().text(INFO_KIND, "bridge");
    let message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &link_fixed(0, 0)).text(LINK_NAME, name);
    let message = message.attribute(LINK_ADDRESS, &hardware_address);
    socket.change(&message.nested(LINK_INFO, information))
}

pub(super) fn create_veth(socket: &Socket, pair: &VethPair<'_>) -> io::Result<()> {
    // Without a queue count, the kernel creates one for each CPU, removes all but one, and waits for that (RCU).
    let one = 1_u32.to_ne_bytes();
    let peer = Attributes::after(&link_fixed(0, 0))
        .attribute(LINK_SENDING_QUEUES, &one)
        .attribute(LINK_RECEIVING_QUEUES, &one)
        .text(LINK_NAME, pair.name)
        .attribute(LINK_ADDRESS, &pair.hardware_address)
        .attribute(LINK_MTU, &pair.mtu.to_ne_bytes())
        .attribute(LINK_NAMESPACE_FD, &pair.namespace.as_raw_fd().to_ne_bytes());
    let data = Attributes::default().nested(VETH_PEER, peer);
    let information = Attributes::default().text(INFO_KIND, "veth").nested(INFO_DATA, data);
    let message = Message::new(NEW_LINK, CREATE | EXCLUSIVE, &link_fixed(0, UP))
        .attribute(LINK_SENDING_QUEUES, &one)
        .attribute(LINK_RECEIVING_QUEUES, &one)
        .text(LINK_NAME, pair.host_name)
        .attribute(LINK_MTU, &pair.mtu.to_ne_bytes())
        .attribute(LINK_MASTER, &pair.bridge.index.to_ne_bytes())
        .nested(LINK_INFO, information);
    socket.change(&message)
}

pub(super) fn delete(socket: &Socket, name: &str) -> io::Result<()> {
    socket.change(&Message::new(DELETE_LINK, 0, &link_fixed(0, 0)).text(LINK_NAME, name))
}

pub(super) fn switch_on(socket: &Socket, link: Link) -> io::Result<()> {
    socket.change(&Message::new(NEW_LINK, 0, &link_fixed(link.index, UP)))
}

pub(super) fn set_mtu(socket: &Socket, link: Link, mtu: u32) -> io::Result<()> {
    let message = Message::new(NEW_LINK, 0, &link_fixed(link.index, 0));
    socket.change(&message.attribute(LINK_MTU, &mtu.to_ne_bytes()))
}

pub(super) fn add_address(socket: &Socket, link: Link, address: Subnet) -> io::Result<()> {
    let (family, flags) = if address.is_ipv4() { (IPV4, 0) } else { (IPV6, NO_DUPLICATE_DETECTION) };
    let mut fixed = vec![family, address.length, flags, 0];
    fixed.extend(link.index.to_ne_bytes());
    let octets = octets(address.address);
    let message = Message::new(NEW_ADDRESS, CREATE | EXCLUSIVE, &fixed);
    socket.change(&message.attribute(ADDRESS_LOCAL, &octets).attribute(ADDRESS, &octets))
}

pub(super) fn address_of(socket: &Socket, link: Link) -> io::Result<Option<Subnet>> {
    let replies = socket.list(&Message::new(GET_ADDRESS, 0, &[IPV4, 0, 0, 0, 0, 0, 0, 0]))?;
    let mut own = replies.iter().filter(|reply| number(reply, 4) == Some(link.index));
    Ok(own.find_map(|reply| {
        let octets: [u8; 4] = find_attribute(reply, ADDRESS_FIXED, ADDRESS_LOCAL)?.try_into().ok()?;
        Some(Subnet::new(octets, *reply.get(1)?))
    }))
}

pub(super) fn add_default_route(socket: &Socket, gateway: IpAddr) -> io::Result<()> {
    const BOOT_PROTOCOL: u8 = 3;
    const UNICAST: u8 = 1;
    let family = if gateway.is_ipv4() { IPV4 } else { IPV6 };
    let fixed = [family, 0, 0, 0, MAIN_TABLE, BOOT_PROTOCOL, 0, UNICAST, 0, 0, 0, 0];
    let message = Message::new(NEW_ROUTE, CREATE | EXCLUSIVE, &fixed);
    socket.change(&message.attribute(ROUTE_GATEWAY, &octets(gateway)))
}

/// Removes the default routes of one family, if there are any.
pub(super) fn remove_default_routes(socket: &Socket, ipv4: bool) -> io::Result<()> {
    let family = if ipv4 { IPV4 } else { IPV6 };
    // Scope 255 (RT_SCOPE_NOWHERE) matches any.
    let message = Message::new(DELETE_ROUTE, 0, &[family, 0, 0, 0, MAIN_TABLE, 0, 255, 0, 0, 0, 0, 0]);
    loop {
        match socket.change(&message) {
            Ok(()) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The IPv4 routes of the main table: the destination and the interface. The default route has length 0.
pub(super) fn routes(socket: &Socket) -> io::Result<Vec<(Subnet, u32)>> {
    let replies = socket.list(&Message::new(GET_ROUTE, 0, &[IPV4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?;
    let main = replies.iter().filter(|reply| reply.get(4) == Some(&MAIN_TABLE));
    Ok(main
        .filter_map(|reply| {
            let destination = find_attribute(reply, ROUTE_FIXED, ROUTE_DESTINATION).unwrap_or(&[0; 4]);
            let octets: [u8; 4] = destination.try_into().ok()?;
            let interface = find_attribute(reply, ROUTE_FIXED, ROUTE_OUT_INTERFACE).and_then(|bytes| number(bytes, 0));
            Some((Subnet::new(octets, *reply.get(1)?), interface.unwrap_or(0)))
        })
        .collect())
}

/// `struct ifinfomsg`.
fn link_fixed(index: u32, flags: u32) -> Vec<u8> {
    let mut fixed = vec![0; 4];
    fixed.extend(index.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed
}

fn parse_link(reply: &[u8]) -> Option<Link> {
    let mtu = find_attribute(reply, LINK_FIXED, LINK_MTU).and_then(|bytes| number(bytes, 0));
    Some(Link { index: number(reply, 4)?, mtu: mtu.unwrap_or(1500) })
}
