//! Removes containers that don't run.

use super::RequestError;
use crate::base::Filters;
use crate::container::{Containers, tell_of_prune};
use crate::engine::Counter;
use crate::engine::system::folder_size;

/// The known filters.
pub const FILTERS: [&str; 3] = ["until", "label", "label!"];

/// What was removed.
#[derive(Debug, Default)]
pub struct Pruned {
    /// IDs.
    pub removed: Vec<String>,
    /// Bytes.
    pub reclaimed: u64,
    /// Containers that were started, or removed by another process, meanwhile.
    pub errors: Vec<RequestError>,
}

/// Removes all matching containers that don't run. Their volumes stay, as in docker: `volume prune` removes those.
pub fn prune(containers: &Containers, filters: &Filters, counter: &dyn Counter) -> Result<Pruned, RequestError> {
    let until = filters.until()?;
    let mut pruned = Pruned::default();
    for entry in containers.list()? {
        let record = &entry.record;
        let is_asked_for =
            filters.labels(&record.config.run.labels) && until.is_none_or(|until| record.created < until);
        if entry.is_running || entry.state.status.is_alive() || !is_asked_for {
            continue;
        }
        let size = folder_size(&entry.upper());
        match containers.remove(&entry) {
            Ok(()) => {
                counter.count();
                pruned.reclaimed += size;
                pruned.removed.push(record.id.clone());
            }
            Err(error) => pruned.errors.push(error.into()),
        }
    }
    tell_of_prune(containers.store_root(), "container", pruned.reclaimed);
    Ok(pruned)
}
