//! Removes volumes that are not needed.

use std::path::Path;

use super::list::used;
use crate::base::Filters;
use crate::container::volume::Volumes;
use crate::container::{Containers, tell_of_prune, tell_of_volume};
use crate::engine::system::folder_size;
use crate::engine::{Counter, ResourceError};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedVolumes {
    /// Names.
    pub removed: Vec<String>,
    /// Bytes.
    pub reclaimed: u64,
}

/// The known filters.
pub const PRUNE_FILTERS: [&str; 3] = ["label", "label!", "all"];

/// Removes the volumes that no container uses: anonymous ones, or `all`.
pub fn prune(
    store_root: &Path,
    all: bool,
    filters: &Filters,
    counter: &dyn Counter,
) -> Result<PrunedVolumes, ResourceError> {
    let volumes = Volumes::of(store_root);
    let all = all || filters.boolean("all")?.unwrap_or(false);
    let used = used(&Containers::of(store_root))?;
    let mut pruned = PrunedVolumes::default();
    for record in volumes.list()? {
        let labels = record.labels.clone().unwrap_or_default();
        if !used.contains(&record.name) && (all || record.is_anonymous()) && filters.labels(&labels) {
            let size = folder_size(&record.mountpoint);
            volumes.remove(&record.name, Vec::new())?;
            tell_of_volume(store_root, &record, "destroy");
            pruned.reclaimed += size;
            counter.count();
            pruned.removed.push(record.name);
        }
    }
    tell_of_prune(store_root, "volume", pruned.reclaimed);
    Ok(pruned)
}
