//! Operations on volumes.

mod list;
mod prune;

pub use list::{FILTERS, list, used};
pub use prune::{PRUNE_FILTERS, PrunedVolumes, prune};

use std::path::Path;

use serde_json::Value;

use crate::base::rfc3339;
use crate::container::volume::{NewVolume, VolumeError, VolumeRecord, Volumes};
use crate::container::{ContainerError, Containers, tell_of_volume, users_of_volume};

/// Creates a volume, or returns an existing one with the same options.
pub fn create(store_root: &Path, new: NewVolume) -> Result<VolumeRecord, VolumeError> {
    let volumes = Volumes::of(store_root);
    let is_there = volumes.find(&new.name).is_ok();
    let record = volumes.create(new)?;
    if !is_there {
        tell_of_volume(store_root, &record, "create");
    }
    Ok(record)
}

/// Removes a volume that no container uses.
pub fn remove(store_root: &Path, name: &str) -> Result<(), ContainerError> {
    let (volumes, containers) = (Volumes::of(store_root), Containers::of(store_root));
    let users = users_of_volume(&containers, name)?.iter().map(|entry| entry.record.id.clone()).collect();
    let record = volumes.find(name);
    volumes.remove(name, users)?;
    record.iter().for_each(|record| tell_of_volume(store_root, record, "destroy"));
    Ok(())
}

/// The volume as docker's `inspect` shows it.
pub fn describe(volume: &VolumeRecord) -> Value {
    let mut fields = serde_json::to_value(volume).unwrap_or(Value::Null);
    fields["CreatedAt"] = Value::from(rfc3339(volume.created_at));
    fields
}
