//! Removes networks that are not needed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::Filters;
use crate::container::{Containers, networks_of, tell_of_network, tell_of_prune};
use crate::engine::{Counter, ResourceError};

/// Removes the networks that no container uses, and returns their names. Filters: `label`, `label!` and `until`.
pub fn prune(store_root: &Path, filters: &Filters, counter: &dyn Counter) -> Result<Vec<String>, ResourceError> {
    let until = filters.until()?;
    let networks = networks_of(store_root);
    // A stopped container needs its network when it is started again.
    let entries = Containers::of(store_root).list()?;
    let used: BTreeSet<String> = entries.into_iter().flat_map(|entry| entry.record.networks.into_keys()).collect();
    networks.forget_deleted_stores();
    let mut removed = Vec::new();
    for record in networks.list()?.into_iter().filter(|record| !record.is_predefined()) {
        let is_used = used.contains(&record.name) || used.iter().any(|name| record.id.starts_with(name.as_str()));
        if !is_used && filters.labels(&record.labels) && until.is_none_or(|until| record.created < until) {
            networks.remove(&record)?;
            tell_of_network(store_root, &record, "destroy", None);
            removed.push(record.name);
            counter.count();
        }
    }
    tell_of_prune(store_root, "network", 0);
    Ok(removed)
}
