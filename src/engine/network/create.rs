//! Creates a network.

use std::path::Path;

use crate::container::network::{NetworkError, NetworkRecord, NewNetwork};
use crate::container::{networks_of, tell_of_network};

/// Creates a bridge network.
pub fn create(store_root: &Path, new: NewNetwork) -> Result<NetworkRecord, NetworkError> {
    let record = networks_of(store_root).create(new)?;
    tell_of_network(store_root, &record, "create", None);
    Ok(record)
}
