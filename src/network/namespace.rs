//! A network namespace with a way out, for one container or for all steps of a build.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::addresses::{self, Lease};
use super::bridge::{self, Bridge};
use super::error::{Doing, NetworkError};
use super::link::{self, Subnet, VethPair};
use super::netlink::Socket;
use super::pasta::Pasta;
use crate::sandbox;

/// The interface's name in the container.
const INTERFACE: &str = "eth0";

/// Its interfaces go when it is dropped and no container is left in it; also when this process is killed.
#[derive(Debug)]
pub struct NetworkNamespace {
    descriptor: Arc<OwnedFd>,
    way_out: WayOut,
}

#[derive(Debug)]
enum WayOut {
    Bridge { lease: Lease, gateway: Subnet },
    Pasta(Pasta),
}

impl NetworkNamespace {
    /// Makes one of the default network: on the bridge for root, through pasta for an ordinary user (who is root of a
    /// user namespace by now). `state` is a folder for what the rbuild processes of this machine share; only root's
    /// network uses it, and it should be empty after a boot (`/run/rbuild`).
    pub fn create(state: &Path, rootless: bool) -> Result<Self, NetworkError> {
        let open = || Socket::open(None);
        let (descriptor, inside) = sandbox::new_network_namespace(open).doing("make a network namespace")?;
        let inside = inside.doing("open a netlink socket")?;
        let loopback = link::find(&inside, "lo").doing("look for the loopback interface")?;
        if let Some(loopback) = loopback {
            link::switch_on(&inside, loopback).doing("switch on the loopback interface")?;
        }
        let way_out = if rootless {
            WayOut::Pasta(Pasta::start(&descriptor, &inside)?)
        } else {
            connect(&descriptor, &inside, state)?
        };
        Ok(Self { descriptor: Arc::new(descriptor), way_out })
    }

    /// For the containers that are to be in it.
    pub fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.descriptor)
    }

    /// The address of its interface. Behind pasta, it is the host's own.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.way_out {
            WayOut::Bridge { lease, .. } => Some(lease.address.into()),
            WayOut::Pasta(pasta) => pasta.address().map(IpAddr::from),
        }
    }

    /// What `host-gateway` stands for: an address at which the host answers.
    pub fn host_gateway(&self) -> Option<Ipv4Addr> {
        match &self.way_out {
            WayOut::Bridge { gateway, .. } => Some(gateway.address),
            WayOut::Pasta(pasta) => pasta.gateway(),
        }
    }
}

fn connect(descriptor: &OwnedFd, inside: &Socket, state: &Path) -> Result<WayOut, NetworkError> {
    let socket = Socket::open(None).doing("open a netlink socket")?;
    let bridge = bridge::ensure(&socket, state)?;
    let lease = addresses::lease(state, bridge.gateway)?;
    attach(&socket, descriptor, &bridge, lease.address)?;
    let own = link::find(inside, INTERFACE).doing("look for the container's interface")?;
    let own = own.ok_or(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("look for the interface")?;
    link::add_address(inside, own, Subnet { address: lease.address, length: bridge.gateway.length })
        .doing("give the container an address")?;
    link::switch_on(inside, own).doing("switch on the container's interface")?;
    link::add_default_route(inside, bridge.gateway.address).doing("set the container's route")?;
    Ok(WayOut::Bridge { lease, gateway: bridge.gateway })
}

fn attach(socket: &Socket, namespace: &OwnedFd, bridge: &Bridge, address: Ipv4Addr) -> Result<(), NetworkError> {
    let pair = VethPair {
        host_name: &format!("rb{:08x}", address.to_bits()),
        bridge: bridge.link,
        namespace,
        name: INTERFACE,
        hardware_address: link::hardware_address(address),
        mtu: bridge.mtu,
    };
    let made = match link::create_veth(socket, &pair) {
        // Of the address's last holder: the kernel takes namespaces away in the background.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
            // It may go by itself meanwhile.
            let _ = link::delete(socket, pair.host_name);
            link::create_veth(socket, &pair)
        }
        made => made,
    };
    made.doing("connect the container to the bridge")
}
