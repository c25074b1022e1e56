//! Removes what is left on this machine of networks whose store was deleted.
//!
//! ```text
//! <state>/networks/<network>/origin.json  the store of the network, recorded before its bridge is created
//! ```
//!
//! A running monitor removes its own networks. Those of other stores are removed by whoever creates or prunes networks
//! of any store. Nothing is lost if a store comes back: starting a container creates what is missing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoints;
use super::error::NetworkError;
use super::networks::Networks;
use super::record::NetworkRecord;
use crate::base::io_error::AtPath;

const FILE: &str = "origin.json";

/// Where a network's record is.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    /// The file in the store.
    path: PathBuf,
    /// The device of its filesystem.
    device: u64,
    record: NetworkRecord,
}

impl Origin {
    /// Whether the file is gone from its filesystem. If the filesystem is missing too, it may be mounted again later.
    fn is_deleted(&self) -> bool {
        if !matches!(self.path.try_exists(), Ok(false)) {
            return false;
        }
        let around = self.path.ancestors().skip(1).find_map(|folder| std::fs::metadata(folder).ok());
        around.is_some_and(|folder| folder.dev() == self.device)
    }
}

impl Networks {
    /// Records the origin of a network. The caller holds the network's lock.
    pub(super) fn note_origin(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let file = Endpoints::of(self.state(), &record.id).folder().join(FILE);
        if !self.machine().is_host() || record.is_predefined() || file.exists() {
            return Ok(());
        }
        let path = std::path::absolute(self.path(record)).at("find", self.path(record))?;
        // The network is just being removed: its bridge goes with the container that needs it.
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(()) };
        let origin = Origin { path, device: metadata.dev(), record: record.clone() };
        let text =
            serde_json::to_vec(&origin).map_err(|source| NetworkError::DamagedRecord { path: file.clone(), source })?;
        Ok(std::fs::write(&file, text).at("write", &file)?)
    }

    /// To be called with its lock.
    pub(super) fn forget_origin(&self, record: &NetworkRecord) {
        // Where there is none, there is none to forget.
        let _ = std::fs::remove_file(Endpoints::of(self.state(), &record.id).folder().join(FILE));
    }

    /// The networks of all stores on this machine.
    pub(super) fn of_all_stores(&self) -> Vec<NetworkRecord> {
        self.origins().map(|origin| origin.record).collect()
    }

    fn origins(&self) -> impl Iterator<Item = Origin> + use<> {
        let folders = std::fs::read_dir(self.state().join("networks")).into_iter().flatten().flatten();
        folders.filter_map(|folder| read(&folder.path().join(FILE)))
    }

    /// Removes the unused bridges of networks whose stores no longer exist.
    pub fn forget_deleted_stores(&self) {
        if !self.machine().is_host() {
            return;
        }
        for origin in self.origins().filter(Origin::is_deleted) {
            if !has_ports(&origin.record.interface()) {
                // If this fails now, a later call or a reboot removes it.
                let _ = self.forget_unused(&origin.record);
            }
        }
    }

    /// Removes a network's bridge and endpoints, unless one of its containers runs.
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

/// Whether a bridge has any interfaces, no matter whose.
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
