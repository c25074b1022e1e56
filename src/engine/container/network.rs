//! Lets something other than a container use a container's network.

use crate::container::network::Place;
use crate::container::{ContainerError, Containers, networks_of};

/// Opens the network of a running container. It stays available even if the container ends.
pub fn join_network(containers: &Containers, name: &str) -> Result<Place, ContainerError> {
    let pid = containers.find(name)?.state.pid;
    if pid == 0 {
        return Err(ContainerError::PartnerNotRunning { what: "network", name: name.to_owned() });
    }
    Ok(Place::of_process(&networks_of(containers.store_root()), pid)?)
}
