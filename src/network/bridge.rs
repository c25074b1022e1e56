//! The bridge `rbuild0`, which every container of the default network hangs on. Made by the first that needs it.

use std::net::Ipv4Addr;
use std::path::Path;

use super::addresses;
use super::error::{Doing, NetworkError};
use super::link::{self, Link, Subnet};
use super::nat;
use super::netlink::Socket;
use crate::io_error::AtPath;

const NAME: &str = "rbuild0";

/// Where the bridge's subnet is looked for: private ranges that routers and other container tools use rarely.
const CANDIDATES: [(u8, u8); 6] = [(10, 201), (10, 202), (10, 213), (172, 30), (172, 31), (192, 168)];
const SUBNET_LENGTH: u8 = 16;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

#[derive(Debug, Clone, Copy)]
pub(super) struct Bridge {
    pub(super) link: Link,
    /// The bridge's own address, which is the containers' gateway.
    pub(super) gateway: Subnet,
    /// What fits through the way out.
    pub(super) mtu: u32,
}

/// The bridge, with forwarding and address translation in place. `state` is a folder that all rbuild processes of the
/// machine share.
pub(super) fn ensure(socket: &Socket, state: &Path) -> Result<Bridge, NetworkError> {
    let _lock = addresses::lock(&state.join("bridge.lock"))?;
    let routes = link::routes(socket).doing("read the routes")?;
    let (link, gateway) = match find(socket)? {
        Some(found) => found,
        None => create(socket, &routes)?,
    };
    nat::ensure(NAME, gateway).doing("set up address translation (nftables)")?;
    switch_on_forwarding()?;
    let way_out = routes.iter().find(|(subnet, _)| subnet.length == 0).map(|(_, interface)| *interface);
    let way_out = way_out.map(|index| link::by_index(socket, index)).transpose().doing("look at the way out")?;
    let mtu = way_out.flatten().map_or(1500, |link| link.mtu.min(1500));
    Ok(Bridge { link, gateway, mtu })
}

fn find(socket: &Socket) -> Result<Option<(Link, Subnet)>, NetworkError> {
    let Some(link) = link::find(socket, NAME).doing("look for the bridge")? else { return Ok(None) };
    let address = link::address_of(socket, link).doing("read the bridge's address")?;
    match address {
        Some(address) => Ok(Some((link, address))),
        // Half made, by an rbuild that was killed.
        None => link::delete(socket, NAME).doing("remove the half-made bridge").map(|()| None),
    }
}

fn create(socket: &Socket, routes: &[(Subnet, u32)]) -> Result<(Link, Subnet), NetworkError> {
    let subnet = free_subnet(routes).ok_or(NetworkError::NoFreeSubnet)?;
    let gateway = Subnet { address: Ipv4Addr::from_bits(subnet.address.to_bits() + 1), length: subnet.length };
    link::create_bridge(socket, NAME, link::hardware_address(gateway.address)).doing("make the bridge `rbuild0`")?;
    let link = link::find(socket, NAME).doing("look for the bridge")?;
    let link = link.ok_or(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("look for the bridge")?;
    link::switch_on(socket, link).doing("switch on the bridge")?;
    link::add_address(socket, link, gateway).doing("give the bridge an address")?;
    Ok((link, gateway))
}

/// The first candidate that no route but the default one leads to.
fn free_subnet(routes: &[(Subnet, u32)]) -> Option<Subnet> {
    CANDIDATES
        .iter()
        .map(|(first, second)| Subnet { address: Ipv4Addr::new(*first, *second, 0, 0), length: SUBNET_LENGTH })
        .find(|candidate| routes.iter().all(|(route, _)| route.length == 0 || !route.overlaps(*candidate)))
}

fn switch_on_forwarding() -> Result<(), NetworkError> {
    let path = Path::new(FORWARDING);
    if std::fs::read(path).at("read", path)?.first() != Some(&b'1') {
        std::fs::write(path, "1").at("switch on forwarding in", path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_that_no_route_has() {
        let route = |a, b, length| (Subnet { address: Ipv4Addr::new(a, b, 0, 0), length }, 1);
        assert_eq!(free_subnet(&[route(0, 0, 0)]).unwrap().address, Ipv4Addr::new(10, 201, 0, 0));
        assert_eq!(free_subnet(&[route(10, 0, 8)]).unwrap().address, Ipv4Addr::new(172, 30, 0, 0));
        assert_eq!(free_subnet(&[route(10, 0, 8), route(172, 16, 12), route(192, 168, 24)]), None);
    }
}
