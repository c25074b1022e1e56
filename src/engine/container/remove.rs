//! Removes a container, or a link of it.

use super::RequestError;
use crate::container::{Containers, Entry, Removal, Status};

/// Removes a container; a running one only with force.
pub fn remove(containers: &Containers, entry: &Entry, removal: Removal) -> Result<(), RequestError> {
    if entry.is_running && !removal.force {
        let state = match entry.state.status {
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            _ => "running",
        };
        return Err(RequestError::NotStopped { name: entry.record.name.clone(), state });
    }
    Ok(containers.remove_with(entry, removal)?)
}

/// Removes a link, `CONTAINER/ALIAS`: the container can no longer use that name for the other one.
pub fn remove_link(containers: &Containers, word: &str) -> Result<(), RequestError> {
    let missing = || RequestError::NoLink { word: word.to_owned() };
    let (parent, alias) = word.trim_start_matches('/').split_once('/').ok_or_else(missing)?;
    let entry = containers.find(parent)?;
    let changed = containers.change(&entry, |record| {
        let links = &mut record.host_config.links;
        let before = links.len();
        links.retain(|link| link.rsplit_once(':').map_or(link.as_str(), |(_, alias)| alias) != alias);
        links.len() != before
    })?;
    if changed { Ok(()) } else { Err(missing()) }
}
