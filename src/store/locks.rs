//! Locks between processes, one per name. The kernel releases them with their holder.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::{Store, StoreError};
use crate::base::io_error::AtPath;

/// Held until dropped.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Wraps a locked file; `None` if its name is gone or belongs to another file.
    fn of(path: PathBuf, file: File) -> Result<Option<Self>, StoreError> {
        let held = file.metadata().at("read", &path)?.ino();
        let is_named = std::fs::metadata(&path).is_ok_and(|named| named.ino() == held);
        Ok(is_named.then_some(Self { path, _file: file }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held: waiting processes see that the name is gone and try again.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Store {
    /// Waits for the exclusive lock `name` (a plain file name).
    pub fn lock(&self, name: &str) -> Result<Lock, StoreError> {
        loop {
            let (path, file) = self.open_lock(name)?;
            file.lock().at("lock", &path)?;
            if let Some(lock) = Lock::of(path, file)? {
                return Ok(lock);
            }
        }
    }

    /// The same lock; `None` while another process or thread holds it.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        loop {
            let (path, file) = self.open_lock(name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).at("lock", &path)?,
            }
            if let Some(lock) = Lock::of(path, file)? {
                return Ok(Some(lock));
            }
        }
    }

    fn open_lock(&self, name: &str) -> Result<(PathBuf, File), StoreError> {
        let path = self.root.join("locks").join(name);
        let file = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
        Ok((path, file))
    }
}
