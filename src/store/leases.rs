//! Who uses what: a process that has looked a layer, an image or a blob up holds a lease on it until it ends, and what
//! somebody holds a lease on is not removed.
//!
//! A lease is a read lock on one byte of the file `leases`, at an offset that the digest gives; the byte need not exist.
//! The kernel drops it with its holder, however that ends (fcntl_locking(2), "Open file description locks"). To remove a
//! thing takes a write lock on its byte. So that nothing is missed, whoever uses a thing takes the lease first and then
//! looks whether it is there; whoever removes one takes the lock first and then looks whether it is needed.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{Store, StoreError};
use crate::base::io_error::{AtPath, IoError};

/// The leases of one open store.
#[derive(Default)]
pub(super) struct Leases {
    file: OnceLock<File>,
    held: Mutex<HashSet<i64>>,
    /// Whoever removes things looks at many and uses none.
    off: AtomicBool,
}

/// A thing that nobody else can begin to use.
pub(super) struct Claim<'a> {
    leases: &'a Leases,
    offset: i64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let was_held = self.leases.held().contains(&self.offset);
        let kind = if was_held { libc::F_RDLCK } else { libc::F_UNLCK };
        if let Some(file) = self.leases.file.get() {
            // What stays locked is free when this process ends.
            let _ = set_lock(file, self.offset, kind, false);
        }
    }
}

impl Leases {
    fn file(&self, root: &Path) -> Result<&File, IoError> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let path = root.join("leases");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path).at("open", &path)?;
        Ok(self.file.get_or_init(|| file))
    }

    fn held(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Two digests with one offset only keep each other a little longer.
fn offset(digest: &[u8; 32]) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(bytes) & (i64::MAX >> 1)
}

fn set_lock(file: &File, offset: i64, kind: i32, wait: bool) -> io::Result<()> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset,
        l_len: 1,
        l_pid: 0,
    };
    loop {
        let argument = if wait { FcntlArg::F_OFD_SETLKW(&lock) } else { FcntlArg::F_OFD_SETLK(&lock) };
        match fcntl(file, argument) {
            Err(nix::errno::Errno::EINTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

impl Store {
    /// From now on nothing that is looked up is held: for whoever only wants to remove.
    pub fn hold_nothing(&self) {
        self.present().clear();
        self.leases.off.store(true, Ordering::Relaxed);
    }

    /// Keeps others from removing what has this digest for as long as this store is open. Waits while it is removed.
    /// Not to be called within a transaction. False where nothing is held.
    pub(super) fn lease(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        if self.leases.off.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let offset = offset(digest);
        let mut held = self.leases.held();
        if !held.contains(&offset) {
            let file = self.leases.file(&self.root)?;
            set_lock(file, offset, libc::F_RDLCK, true).at("take a lease on", self.root.join("leases"))?;
            held.insert(offset);
        }
        Ok(true)
    }

    /// Keeps others from beginning to use what has this digest; nothing when somebody uses it.
    pub(super) fn claim(&self, digest: &[u8; 32]) -> Result<Option<Claim<'_>>, StoreError> {
        let offset = offset(digest);
        let file = self.leases.file(&self.root)?;
        match set_lock(file, offset, libc::F_WRLCK, false) {
            Ok(()) => Ok(Some(Claim { leases: &self.leases, offset })),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(None),
            Err(error) => Err(error).at("lock", self.root.join("leases"))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_holds_another_cannot_claim() {
        let folder = tempfile::tempdir().unwrap();
        let (user, remover) = (Store::open(folder.path()).unwrap(), Store::open(folder.path()).unwrap());
        let digest = [7; 32];
        user.lease(&digest).unwrap();
        assert!(remover.claim(&digest).unwrap().is_none());
        assert!(remover.claim(&[8; 32]).unwrap().is_some());
        drop(user);
        let claim = remover.claim(&digest).unwrap();
        assert!(claim.is_some());
        let late = Store::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| late.lease(&digest).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waiting.is_finished());
            drop(claim);
        });
    }

    #[test]
    fn a_claim_on_what_one_holds_oneself_gives_the_lease_back() {
        let folder = tempfile::tempdir().unwrap();
        let (store, other) = (Store::open(folder.path()).unwrap(), Store::open(folder.path()).unwrap());
        store.lease(&[1; 32]).unwrap();
        drop(store.claim(&[1; 32]).unwrap().unwrap());
        assert!(other.claim(&[1; 32]).unwrap().is_none());
    }
}
