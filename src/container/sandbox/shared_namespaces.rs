//! The namespaces that an ordinary user's processes of a store share: a user namespace, and in it a network namespace.
//!
//! No process keeps them for the others: they exist as long as any member does, and any member may be killed. Nothing
//! is stored that could become wrong; only the kernel knows who is a member:
//!
//! ```text
//! <root>/namespaces/lock     held (flock) by a process that may be the first to enter or the last to leave
//! <root>/namespaces/members  an empty file. A member has locked its byte 0; a member that has the network namespace
//!                            open as descriptor N, byte N too (`record_lock`)
//! ```

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};

use super::error::SandboxError;
use super::record_lock::{self, Holder};
use super::user_namespace::{self, IdMapping};

/// The byte that all members lock.
const MEMBER: i64 = 0;
/// Standard input is never a network namespace.
const FIRST_DESCRIPTOR: i64 = 1;

/// The `statfs` type of namespaces (linux/magic.h).
const NSFS: u64 = 0x6e73_6673;

/// How often to look for another member while the one that was found is ending.
const ATTEMPTS: usize = 50;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// The processes of a store that share namespaces, by a folder of the store.
#[derive(Debug, Clone)]
pub struct SharedNamespaces {
    folder: PathBuf,
}

/// This process's membership.
struct Membership {
    /// The member's PID: a fork of it is not a member.
    process: u32,
    folder: PathBuf,
    /// Never closed: that would end the membership.
    members: ManuallyDrop<File>,
    network: ManuallyDrop<Option<Arc<OwnedFd>>>,
}

static OWN: Mutex<Option<Membership>> = Mutex::new(None);

/// While this is held, no other process enters first or leaves last.
#[derive(Debug)]
pub struct SharedNamespacesLock {
    _file: File,
}

impl SharedNamespaces {
    /// The one of a store. Its path must be absolute, because members change their working directory.
    pub fn of(root: &Path) -> Self {
        Self { folder: root.join("namespaces") }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn lock(&self) -> io::Result<SharedNamespacesLock> {
        let file = File::options().create(true).truncate(false).write(true).open(self.folder.join("lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(SharedNamespacesLock { _file: file })
    }

    /// Becomes root of the shared user namespace, or of a new one if there is none, and a member for as long as this
    /// process lives. Must be called before there is a second thread.
    pub fn enter(&self) -> Result<&'static IdMapping, SandboxError> {
        let failed = |source| SandboxError::Start { action: "become one of the store's processes", source };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let _lock = self.lock().map_err(failed)?;
        let mapping = match self.find(MEMBER, 1).map_err(failed)? {
            Some(holder) => self.join(holder),
            None => user_namespace::enter(),
        }?;
        register(&self.folder).map_err(failed)?;
        Ok(mapping)
    }

    /// Like [`Self::enter`] if there is a member, but without becoming one; otherwise does nothing.
    pub fn visit(&self) -> Result<Option<&'static IdMapping>, SandboxError> {
        match self.find(MEMBER, 1) {
            Ok(Some(holder)) => self.join(holder).map(Some),
            // If no container was ever started, there is no such folder.
            _ => Ok(None),
        }
    }

    /// Becomes a member if this process was started by one, and so is in the shared user namespace already.
    pub fn belong(&self) -> io::Result<()> {
        register(&self.folder)
    }

    fn join(&self, mut holder: Holder) -> Result<&'static IdMapping, SandboxError> {
        for _ in 0..ATTEMPTS {
            match user_namespace::join(holder.pid) {
                Ok(mapping) => return Ok(mapping),
                // A process that is ending is still a member for a moment.
                Err(error) => match self.find(MEMBER, 1) {
                    Ok(Some(other)) if other == holder && holder.pid <= 0 => return Err(error),
                    Ok(Some(other)) => holder = other,
                    _ => return user_namespace::enter(),
                },
            }
            std::thread::sleep(PAUSE);
        }
        user_namespace::join(holder.pid)
    }

    /// Another process that has locked one of those bytes.
    fn find(&self, first: i64, count: i64) -> io::Result<Option<Holder>> {
        match &*own() {
            Some(membership) => record_lock::holder(&membership.members, first, count),
            None => match File::options().read(true).write(true).open(self.folder.join("members")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                members => record_lock::holder(&members?, first, count),
            },
        }
    }

    /// The network namespace that the members share; `None` if no member has one.
    pub fn network(&self) -> io::Result<Option<Arc<OwnedFd>>> {
        if let Some(network) = own().as_ref().and_then(|membership| membership.network.as_ref()) {
            return Ok(Some(Arc::clone(network)));
        }
        for _ in 0..ATTEMPTS {
            let Some(Holder { pid, byte }) = self.find(FIRST_DESCRIPTOR, 0)? else { return Ok(None) };
            let opened = File::open(format!("/proc/{pid}/fd/{byte}"));
            if let Some(namespace) = opened.ok().filter(is_namespace) {
                return Ok(Some(Arc::new(namespace.into())));
            }
            // The member is just ending.
            std::thread::sleep(PAUSE);
        }
        Err(io::Error::other("the process that has it can't be reached"))
    }

    /// Keeps the network namespace for the other members, until this process ends or calls [`Self::leave_network`]. The
    /// caller must be a member and hold the lock.
    pub fn keep_network(&self, namespace: Arc<OwnedFd>) -> io::Result<()> {
        let mut own = own();
        let membership = own.as_mut().ok_or_else(|| io::Error::other("this process is not a member"))?;
        record_lock::hold(&membership.members, namespace.as_raw_fd().into())?;
        *membership.network = Some(namespace);
        Ok(())
    }

    /// Whether this process keeps the network namespace.
    pub fn keeps_network(&self) -> bool {
        own().as_ref().is_some_and(|membership| membership.network.is_some())
    }

    /// Whether other members keep the network namespace.
    pub fn is_network_kept(&self) -> io::Result<bool> {
        Ok(self.find(FIRST_DESCRIPTOR, 0)?.is_some())
    }

    /// Other members can no longer get the network namespace from this process. The caller holds the lock.
    pub fn leave_network(&self) -> io::Result<()> {
        let mut own = own();
        let Some(membership) = own.as_mut() else { return Ok(()) };
        match membership.network.take() {
            Some(namespace) => record_lock::let_go(&membership.members, namespace.as_raw_fd().into()),
            None => Ok(()),
        }
    }
}

/// Makes a fork of a member a member, too; does nothing in other forks. The parent has to live until this returns.
pub fn belong_as_parent_did() -> io::Result<()> {
    let folder = OWN.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|parent| parent.folder.clone());
    folder.map_or(Ok(()), |folder| register(&folder))
}

fn register(folder: &Path) -> io::Result<()> {
    let path = folder.join("members");
    let members = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    record_lock::hold(&members, MEMBER)?;
    let membership = Membership {
        process: std::process::id(),
        folder: folder.to_owned(),
        members: ManuallyDrop::new(members),
        network: ManuallyDrop::new(None),
    };
    // The replaced value was the parent's; its descriptor numbers are other files here.
    *OWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(membership);
    Ok(())
}

/// This process's membership; `None` in a fork of a member.
fn own() -> MutexGuard<'static, Option<Membership>> {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if own.as_ref().is_some_and(|membership| membership.process != std::process::id()) {
        *own = None;
    }
    own
}

fn is_namespace(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|found| found.f_type as u64 == NSFS)
}
