//! The network of a container, for what is none.

use crate::container::network::Place;
use crate::container::{ContainerError, Containers, networks_of};

/// Opens the network of a container that runs. What has it stays in it, whatever becomes of the container.
pub fn join_network(containers: &Containers, name: &str) -> Result<Place, ContainerError> {
    let pid = containers.find(name)?.state.pid;
    if pid == 0 {
        return Err(ContainerError::PartnerNotRunning { what: "network", name: name.to_owned() });
    }
    Ok(Place::of_process(&networks_of(containers.store_root()), pid)?)
}
