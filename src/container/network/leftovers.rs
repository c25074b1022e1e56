//! What is left on this machine of networks whose store somebody has deleted.
//!
//! ```text
//! <state>/networks/<network>/origin.json  whose the network is, written with it, and before its bridge is made
//! ```
//!
//! A monitor that runs meanwhile takes its networks away itself. The others' are taken away by whoever makes or prunes
//! networks of any store. Nothing is lost when a store comes back: a container's start makes what is missing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoints;
use super::error::NetworkError;
use super::networks::Networks;
use super::record::NetworkRecord;
use crate::base::io_error::AtPath;

const FILE: &str = "origin.json";

/// Where a network is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    /// The file in the store.
    path: PathBuf,
    /// The filesystem that it is on.
    device: u64,
    record: NetworkRecord,
}

impl Origin {
    /// Whether the file is gone from its filesystem. When that is not there either, it may be mounted again.
    fn is_deleted(&self) -> bool {
        if !matches!(self.path.try_exists(), Ok(false)) {
            return false;
        }
        let around = self.path.ancestors().skip(1).find_map(|folder| std::fs::metadata(folder).ok());
        around.is_some_and(|folder| folder.dev() == self.device)
    }
}

impl Networks {
    /// Writes down whose a network is. To be called with its lock.
    pub(super) fn note_origin(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let file = Endpoints::of(self.state(), &record.id).folder().join(FILE);
        if !self.machine().is_host() || record.is_predefined() || file.exists() {
            return Ok(());
        }
        let path = std::path::absolute(self.path(record)).at("find", self.path(record))?;
        // It is removed this moment: its bridge goes with the container that needs it.
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(()) };
        let origin = Origin { path, device: metadata.dev(), record: record.clone() };
        let text =
            serde_json::to_vec(&origin).map_err(|source| NetworkError::DamagedRecord { path: file.clone(), source })?;
        Ok(std::fs::write(&file, text).at("write", &file)?)
    }

    /// The networks of all stores on this machine.
    pub(super) fn of_all_stores(&self) -> Vec<NetworkRecord> {
        self.origins().map(|origin| origin.record).collect()
    }

    fn origins(&self) -> impl Iterator<Item = Origin> + use<> {
        let folders = std::fs::read_dir(self.state().join("networks")).into_iter().flatten().flatten();
        folders.filter_map(|folder| read(&folder.path().join(FILE)))
    }

    /// Removes the bridges of all stores' networks that are not there any more and that nothing uses.
    pub fn forget_deleted_stores(&self) {
        if !self.machine().is_host() {
            return;
        }
        for origin in self.origins().filter(Origin::is_deleted) {
            if !has_ports(&origin.record.interface()) {
                // What can't be removed now is removed by the next, or by a boot.
                let _ = self.forget_unused(&origin.record);
            }
        }
    }

    /// Removes a network's bridge, and what is known of its containers, unless one of them runs.
    pub(super) fn forget_unused(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let endpoints = Endpoints::of(self.state(), &record.id);
        let _lock = endpoints.lock()?;
        if !endpoints.list_and_reap().is_empty() {
            return Ok(());
        }
        self.remove_bridge(record)?;
        endpoints.remove_all()
    }
}

fn read(file: &Path) -> Option<Origin> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Whether interfaces are attached to a bridge, of whomever.
fn has_ports(bridge: &str) -> bool {
    let ports = Path::new("/sys/class/net").join(bridge).join("brif");
    std::fs::read_dir(ports).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::network::NewNetwork;

    #[test]
    fn a_deleted_store_is_told_from_one_that_is_not_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let networks = Networks::of(&folder.path().join("store"), true);
        let record = networks.create(NewNetwork { name: "n".to_owned(), ..NewNetwork::default() }).unwrap();
        let path = networks.path(&record);
        let device = std::fs::metadata(folder.path()).unwrap().dev();
        let origin = |device| Origin { path: path.clone(), device, record: record.clone() };
        assert!(path.exists() && !origin(device).is_deleted());
        std::fs::remove_dir_all(folder.path().join("store")).unwrap();
        assert!(origin(device).is_deleted());
        assert!(!origin(device + 1).is_deleted());
    }
}
