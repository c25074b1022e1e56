//! Locks between processes, one per name. The kernel releases them with their holder.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::{Store, StoreError};
use crate::base::io_error::AtPath;

/// Held until dropped.
pub struct Lock {
    path: PathBuf,
    _file: File,
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
        let path = self.root.join("locks").join(name);
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path).at("open", &path)?;
            file.lock().at("lock", &path)?;
            let held = file.metadata().at("read", &path)?.ino();
            if std::fs::metadata(&path).is_ok_and(|named| named.ino() == held) {
                return Ok(Lock { path, _file: file });
            }
        }
    }
}
