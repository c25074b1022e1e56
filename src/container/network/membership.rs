//! Connects running containers to networks and disconnects them, from outside.

use super::attach::{self, EndpointRequest, Inside, Owner};
use super::endpoint::Endpoint;
use super::error::{Doing, NetworkError};
use super::live;
use super::netlink::Socket;
use super::networks::Networks;
use super::record::NetworkRecord;
use crate::container::sandbox;

impl Networks {
    /// Connects the running container whose first process is `pid`.
    pub fn connect(
        &self,
        record: &NetworkRecord,
        request: &EndpointRequest,
        owner: &Owner,
        pid: i32,
    ) -> Result<Endpoint, NetworkError> {
        refuse_without_bridge(record)?;
        let namespace = live::namespace_of(pid)?;
        let open = || Socket::open(None);
        let inside = sandbox::in_network_namespace(&namespace, open).doing("enter the container's network")?;
        let inside = inside.doing("open a netlink socket")?;
        let place = Inside { namespace: &namespace, socket: &inside };
        let endpoint = self.machine().within(|| attach::attach(self, &mut record.clone(), request, owner, &place))?;
        self.choose_way_out(&owner.container, &inside)?;
        Ok(endpoint)
    }

    /// Disconnects a running container from a network.
    pub fn disconnect(&self, record: &NetworkRecord, container: &str, pid: i32) -> Result<(), NetworkError> {
        refuse_without_bridge(record)?;
        let mut places = self.of_container(container)?;
        let Some(position) = places.iter().position(|(other, _)| other.id == record.id) else {
            let (container, network) = (container.to_owned(), record.name.clone());
            return Err(NetworkError::NotConnected { container, network });
        };
        let (record, endpoint) = places.swap_remove(position);
        self.machine().within(|| attach::detach(self, &record, &endpoint))?;
        let namespace = live::namespace_of(pid)?;
        let inside = sandbox::in_network_namespace(&namespace, || Socket::open(None));
        let inside = inside.doing("enter the container's network")?.doing("open a netlink socket")?;
        self.choose_way_out(container, &inside)
    }

    /// Keeps the default route if there is one, and chooses one otherwise.
    fn choose_way_out(&self, container: &str, inside: &Socket) -> Result<(), NetworkError> {
        let places = self.of_container(container)?;
        let gateways = live::gateways(places.iter().map(|(record, _)| record))?;
        let routes = super::link::routes(inside).doing("read the container's routes")?;
        if routes.iter().any(|(route, _)| route.length == 0) { Ok(()) } else { attach::route(inside, &gateways) }
    }
}

fn refuse_without_bridge(record: &NetworkRecord) -> Result<(), NetworkError> {
    if record.driver != "bridge" {
        let what =
            format!("containers can't be connected to or disconnected from network {} while they run", record.name);
        return Err(NetworkError::Refused { what });
    }
    Ok(())
}
