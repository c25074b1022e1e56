//! Folders for data that is being written. Each contains a locked file, whose lock ends with its process. The next
//! process that opens the store removes folders without a holder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Store, StoreError};
use crate::base::foreign;
use crate::base::io_error::AtPath;
use crate::base::rights;

const LOCK_NAME: &str = ".lock";

/// A private folder under `tmp/`, removed recursively when dropped.
pub struct Staging {
    path: PathBuf,
    _lock: File,
}

impl Staging {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A later process removes what can't be removed now: the lock is released.
        let _ = remove_tree(&self.path);
    }
}

impl Store {
    /// A new folder below `tmp/`, which is removed with its value.
    pub fn staging(&self) -> Result<Staging, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = self.root.join("tmp");
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                // A dead process with the same process ID left it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result.at("create", &path)?,
            }
            let Some(lock) = lock_new(&path)? else { continue };
            return Ok(Staging { path, _lock: lock });
        }
    }

    /// Removes what dead processes left under `tmp/`. It may have files of many owners: without rights it is left to the
    /// next command.
    pub(super) fn remove_dead_staging(&self) {
        if rights::are_deferred() {
            return;
        }
        let Ok(entries) = std::fs::read_dir(self.root.join("tmp")) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            match File::open(path.join(LOCK_NAME)) {
                // Held until the folder is gone: a process that was just creating it notices the loss.
                Ok(lock) if lock.try_lock().is_ok() => drop(remove_tree(&path)),
                Ok(_) => {}
                // A folder is created a moment before its lock.
                Err(_) if foreign::is_left_by_dead(&entry.file_name()) || is_older_than_a_minute(&path) => {
                    drop(remove_tree(&path))
                }
                Err(_) => {}
            }
        }
    }
}

/// Locks a folder that was just created; `None` if another process took it for a dead one's first.
fn lock_new(folder: &Path) -> Result<Option<File>, StoreError> {
    let path = folder.join(LOCK_NAME);
    let lock = match File::create(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.at("create", &path)?,
    };
    lock.lock().at("lock", &path)?;
    Ok(path.exists().then_some(lock))
}

fn is_older_than_a_minute(path: &Path) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() > 60))
}

/// Removes a tree whatever the modes of its folders are: a step may leave some that its owner cannot write to.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    foreign::remove_tree(path).map_err(|error| error.source)
}
