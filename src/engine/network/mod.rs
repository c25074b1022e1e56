//! Operations on networks.

mod create;
mod list;
mod membership;
mod prune;

pub use create::create;
pub use list::{FILTERS, list};
pub use membership::{MembershipError, connect, disconnect};
pub use prune::prune;

use std::path::Path;

use serde_json::Value;

use crate::container::network::{NetworkError, NetworkRecord, describe_network};
use crate::container::{networks_of, tell_of_network};

/// The network as docker's `inspect` shows it.
pub fn inspect(store_root: &Path, name: &str) -> Result<Value, NetworkError> {
    let networks = networks_of(store_root);
    let record = networks.find(name)?;
    Ok(describe_network(&record, &networks.endpoints(&record)))
}

/// Removes a network without running containers.
pub fn remove(store_root: &Path, name: &str) -> Result<NetworkRecord, NetworkError> {
    let networks = networks_of(store_root);
    let record = networks.find(name)?;
    networks.remove(&record)?;
    tell_of_network(store_root, &record, "destroy", None);
    Ok(record)
}
