//! Who uses what. A process that has looked up a layer, an image or a blob holds a lease on it until it ends, and
//! nothing with a lease is removed.
//!
//! A lease is a read lock on one byte of the file `leases`, at an offset computed from the digest; the byte need not
//! exist. The kernel releases it with its holder, however that ends (fcntl_locking(2), "Open file description locks").
//! Removing a thing takes a write lock on its byte. To avoid races, a user takes the lease first and then checks
//! whether the thing exists; a remover takes the lock first and then checks whether it is needed.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{Reader, Store, StoreError};
use crate::base::io_error::{AtPath, IoError};

/// The leases of one open store.
#[derive(Default)]
pub(super) struct Leases {
    file: OnceLock<File>,
    held: Mutex<HashSet<i64>>,
    /// For removal, which looks up many things and uses none.
    off: AtomicBool,
}

/// A thing that nobody else can start to use.
pub(super) struct Claim<'a> {
    leases: &'a Leases,
    offset: i64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let was_held = self.leases.held().contains(&self.offset);
        let kind = if was_held { libc::F_RDLCK } else { libc::F_UNLCK };
        if let Some(file) = self.leases.file.get() {
            // Remaining locks are released when this process ends.
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

/// Two digests with the same offset only keep each other a little longer.
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

impl Reader {
    /// Keeps others from removing what has this digest while this store is open. Waits for a removal in progress. Must
    /// not be called within a transaction. False if leases are off.
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
}

impl Store {
    /// From now on lookups take no leases: for callers that only remove.
    pub fn hold_nothing(&self) {
        self.present().clear();
        self.leases.off.store(true, Ordering::Relaxed);
    }

    /// Keeps others from starting to use what has this digest; `None` if it is in use.
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
