//! Finds what killed processes left behind: locks that nobody holds, an unfinished database.

use std::fs::File;

use super::{Check, Severity, entries};
use crate::store::StoreError;

impl Check<'_> {
    pub(super) fn leftovers(&mut self) -> Result<(), StoreError> {
        self.dead_files("locks")?;
        for name in ["store.db.new", "store.db.new-wal", "store.db.new-shm"] {
            let path = self.store.root().join(name);
            if path.exists() {
                self.found(Severity::Leftover, format!("file {name}"), "a rebuilding was interrupted", |store| {
                    store.remove_leftover(&path)?;
                    Ok(Some("removed".to_owned()))
                })?;
            }
        }
        Ok(())
    }

    /// Files that exist only while they are locked.
    fn dead_files(&mut self, folder: &str) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join(folder)) {
            let path = entry.path();
            let is_dead = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_dead && path.exists() {
                let subject = format!("file {folder}/{}", entry.file_name().to_string_lossy());
                self.found(Severity::Leftover, subject, "its process is gone", |_| {
                    // A process that takes the lock notices that the name is gone, and tries again.
                    let file = File::open(&path).ok().filter(|file| file.try_lock().is_ok());
                    Ok(file.and_then(|_| std::fs::remove_file(&path).ok()).map(|()| "removed".to_owned()))
                })?;
            }
        }
        Ok(())
    }
}
