//! The endpoints of a network: which container has which address, under which names.
//!
//! ```text
//! <state>/networks/<network>/lock                   held while something in the network changes
//! <state>/networks/<network>/endpoints/<container>  one for each connected container
//! ```
//!
//! An endpoint is valid while its owner's lock is held. The kernel releases the lock of a process that dies, and the
//! next process that looks removes its endpoint.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::error::NetworkError;
use crate::base::io_error::AtPath;
use crate::base::privacy;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: String,
    pub container: String,
    /// The container's name.
    pub name: String,
    /// All names to which it answers, in lower case.
    pub names: Vec<String>,
    /// The requested ones of these.
    pub aliases: Vec<String>,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub hardware_address: String,
    /// The interface's name on the host; the one in the container follows.
    pub host_interface: String,
    pub interface: String,
    /// `NAME:ALIAS` of other containers, only for this one.
    pub links: Vec<String>,
    /// The file that is locked while the endpoint is in use.
    pub owner: PathBuf,
}

#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    folder: PathBuf,
}

impl Endpoints {
    pub(super) fn of(state: &Path, network: &str) -> Self {
        Self { folder: state.join("networks").join(network) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Nobody else changes the network until the lock is dropped.
    pub(super) fn lock(&self) -> Result<File, NetworkError> {
        if let Some(all) = self.folder.parent().filter(|all| all.is_dir()) {
            // The lock of all networks is in this folder.
            privacy::close(all)?;
        }
        lock(&self.folder.join("lock"))
    }

    fn path(&self, container: &str) -> PathBuf {
        self.folder.join("endpoints").join(container)
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let path = self.path(&endpoint.container);
        let folder = self.folder.join("endpoints");
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let text = serde_json::to_vec(endpoint)
            .map_err(|source| NetworkError::DamagedRecord { path: path.clone(), source })?;
        // Resolvers read without the lock.
        let temporary = self.folder.join(format!("new-{}", endpoint.container));
        std::fs::write(&temporary, text).at("write", &temporary)?;
        Ok(std::fs::rename(&temporary, &path).at("rename", &temporary)?)
    }

    /// Removes it, if it exists.
    pub(super) fn remove(&self, container: &str) {
        // If this fails, the endpoint has no owner any longer, and the next process removes it.
        let _ = std::fs::remove_file(self.path(container));
    }

    pub(super) fn get(&self, container: &str) -> Option<Endpoint> {
        read(&self.path(container)).filter(|endpoint| is_locked(&endpoint.owner))
    }

    /// The endpoints in use.
    pub(super) fn list(&self) -> Vec<Endpoint> {
        self.all().into_iter().filter(|endpoint| is_locked(&endpoint.owner)).collect()
    }

    /// The endpoints in use; removes the others. The caller holds the lock.
    pub(super) fn list_and_reap(&self) -> Vec<Endpoint> {
        let (alive, dead): (Vec<_>, Vec<_>) = self.all().into_iter().partition(|endpoint| is_locked(&endpoint.owner));
        for endpoint in dead {
            self.remove(&endpoint.container);
            if is_of_process(&endpoint.owner) {
                // Owners that are not containers have a lock file just for this.
                let _ = std::fs::remove_file(&endpoint.owner);
            }
        }
        alive
    }

    fn all(&self) -> Vec<Endpoint> {
        let entries = std::fs::read_dir(self.folder.join("endpoints")).into_iter().flatten().flatten();
        entries.filter_map(|entry| read(&entry.path())).collect()
    }

    /// Removes everything that is stored about the network.
    pub(super) fn remove_all(&self) -> Result<(), NetworkError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed.at("remove", &self.folder)?),
        }
    }
}

fn read(path: &Path) -> Option<Endpoint> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Endpoint {
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.ipv4.map(IpAddr::from).into_iter().chain(self.ipv6.map(IpAddr::from))
    }
}

/// A file that is locked while this process lives: the owner of endpoints that belong to no container.
#[derive(Debug)]
pub(super) struct ProcessOwner {
    pub(super) path: PathBuf,
    _lock: File,
}

const OWNERS: &str = "owners";

impl ProcessOwner {
    pub(super) fn new(state: &Path, id: &str) -> Result<Self, NetworkError> {
        let path = state.join(OWNERS).join(id);
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for ProcessOwner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_of_process(owner: &Path) -> bool {
    owner.parent().and_then(Path::file_name).is_some_and(|name| name == OWNERS)
}

/// Waits for the lock of that name; it is released when the file is dropped.
///
/// Whoever can open the file can lock it, and block all others. So the folder is closed to other users, even if an
/// older version of rbuild left it open.
pub(super) fn lock(path: &Path) -> Result<File, NetworkError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
        privacy::close(folder)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(path).at("open", path)?;
    flock(&file, FlockOperation::LockExclusive).at("lock", path)?;
    Ok(file)
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn endpoint(container: &str, name: &str, owner: &Path) -> Endpoint {
        Endpoint {
            id: "e".repeat(64),
            container: container.to_owned(),
            name: name.to_owned(),
            names: vec![name.to_owned()],
            aliases: Vec::new(),
            ipv4: Some(Ipv4Addr::new(10, 9, 8, 7)),
            ipv6: None,
            hardware_address: "02:42:0a:09:08:07".to_owned(),
            host_interface: "rv0a090807".to_owned(),
            interface: "eth0".to_owned(),
            links: Vec::new(),
            owner: owner.to_owned(),
        }
    }

    #[test]
    fn what_a_dead_owner_had_is_taken_back() {
        let state = tempfile::tempdir().unwrap();
        let endpoints = Endpoints::of(state.path(), "n");
        let owner = ProcessOwner::new(state.path(), "one").unwrap();
        let other = state.path().join("lock-of-a-dead-container");
        std::fs::write(&other, "").unwrap();
        endpoints.write(&endpoint("alive", "a", &owner.path)).unwrap();
        endpoints.write(&endpoint("dead", "d", &other)).unwrap();
        assert_eq!(endpoints.all().len(), 2);
        assert_eq!(endpoints.list().len(), 1);
        assert!(endpoints.get("alive").is_some() && endpoints.get("dead").is_none());
        let _lock = endpoints.lock().unwrap();
        assert_eq!(endpoints.list_and_reap()[0].container, "alive");
        assert_eq!(endpoints.all().len(), 1);
        drop(owner);
        assert!(endpoints.list_and_reap().is_empty() && endpoints.all().is_empty());
    }

    #[test]
    fn nobody_else_gets_at_a_lock_even_of_an_older_version() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let at = |name: &str| state.path().join(name);
        for name in ["networks/n/endpoints", "owners"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["", "networks", "networks/n", "owners"] {
            std::fs::set_permissions(at(name), Permissions::from_mode(0o777)).unwrap();
        }
        let _lock = Endpoints::of(state.path(), "n").lock().unwrap();
        let _owner = ProcessOwner::new(state.path(), "one").unwrap();
        let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
        // The service's socket may be beside them, and can belong to a group.
        assert_eq!(["", "networks", "networks/n", "owners"].map(mode), [0o777, 0o700, 0o700, 0o700]);
    }
}
