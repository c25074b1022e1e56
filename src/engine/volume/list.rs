//! Lists volumes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::{Filters, natural_order};
use crate::container::volume::{VolumeRecord, Volumes};
use crate::container::{ContainerError, Containers};
use crate::engine::ResourceError;

/// The known filters.
pub const FILTERS: [&str; 4] = ["dangling", "driver", "label", "name"];

/// The matching volumes, by name.
pub fn list(store_root: &Path, filters: &Filters) -> Result<Vec<VolumeRecord>, ResourceError> {
    let dangling = filters.boolean("dangling")?;
    let used = used(&Containers::of(store_root))?;
    let mut records = Volumes::of(store_root).list()?;
    records.sort_by(|left, right| natural_order(&left.name, &right.name));
    records.retain(|record| {
        dangling.is_none_or(|wanted| wanted != used.contains(&record.name))
            && filters.exactly("driver", &record.driver)
            && filters.matches("name", &record.name)
            && filters.labels(record.labels.as_ref().unwrap_or(&Default::default()))
    });
    Ok(records)
}

/// The volumes that containers use.
pub fn used(containers: &Containers) -> Result<BTreeSet<String>, ContainerError> {
    let entries = containers.list()?;
    Ok(entries.into_iter().flat_map(|entry| entry.record.mounts).map(|mount| mount.name).collect())
}
