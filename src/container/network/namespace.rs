//! A network namespace with an uplink, for all steps of a build.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::attach::{self, EndpointRequest, Inside, Owner};
use super::endpoint::{Endpoint, Endpoints, ProcessOwner};
use super::error::NetworkError;
use super::fresh::FreshNamespace;
use super::live;
use super::machine;
use super::netlink::Socket;
use super::networks::{Networks, random_id};
use super::pasta::Pasta;
use super::record::{BRIDGE, NetworkRecord};

/// Its interfaces are removed once it is dropped and no container is left in it; also if this process is killed.
#[derive(Debug)]
pub struct NetworkNamespace {
    descriptor: Arc<OwnedFd>,
    way_out: WayOut,
}

#[derive(Debug)]
enum WayOut {
    Bridge { record: Box<NetworkRecord>, endpoint: Box<Endpoint>, networks: Networks, _owner: ProcessOwner },
    Pasta { _pasta: Pasta },
}

impl NetworkNamespace {
    /// Connects one to the default network: to the bridge for root, through pasta for an ordinary user (who is root in
    /// a user namespace here). Uses `fresh`, if given.
    pub fn create(store_root: &Path, rootless: bool, fresh: Option<FreshNamespace>) -> Result<Self, NetworkError> {
        let FreshNamespace { descriptor, socket: inside } = fresh.map_or_else(FreshNamespace::make, Ok)?;
        let way_out = if rootless {
            WayOut::Pasta { _pasta: Pasta::start(&descriptor, &inside)? }
        } else {
            connect(&descriptor, &inside, Networks::of(store_root, false))?
        };
        Ok(Self { descriptor: Arc::new(descriptor), way_out })
    }

    /// For the containers that use it.
    pub fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.descriptor)
    }

    /// The address of its interface on the bridge, if it has one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.way_out {
            WayOut::Bridge { endpoint, .. } => endpoint.addresses().next(),
            WayOut::Pasta { .. } => None,
        }
    }

    /// The value of `host-gateway`: an address at which the host answers.
    pub fn host_gateway(&self) -> Option<IpAddr> {
        match &self.way_out {
            WayOut::Bridge { record, .. } => Some(record.pools().ok()?.first()?.gateway),
            WayOut::Pasta { .. } => machine::host_address(),
        }
    }
}

fn connect(descriptor: &OwnedFd, inside: &Socket, networks: Networks) -> Result<WayOut, NetworkError> {
    let mut record = networks.find(BRIDGE)?;
    let id = random_id()?;
    let process = ProcessOwner::new(networks.state(), &id)?;
    let name = format!("build-{}", std::process::id());
    let owner = Owner { container: id, name, hostname: String::new(), lock: process.path.clone() };
    let place = Inside { namespace: descriptor, socket: inside };
    let endpoint = attach::attach(&networks, &mut record, &EndpointRequest::default(), &owner, &place)?;
    attach::route(inside, &live::gateways(std::iter::once(&record))?)?;
    Ok(WayOut::Bridge { record: Box::new(record), endpoint: Box::new(endpoint), networks, _owner: process })
}

impl Drop for WayOut {
    fn drop(&mut self) {
        if let Self::Bridge { record, endpoint, networks, .. } = self {
            Endpoints::of(networks.state(), &record.id).remove(&endpoint.container);
        }
    }
}
