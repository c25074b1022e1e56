//! What processes that died left behind: locks nobody holds, containers that were never finished.

use std::fs::File;

use super::{Check, Severity, entries};
use crate::container::Containers;
use crate::store::StoreError;

impl Check<'_> {
    pub(super) fn leftovers(&mut self) -> Result<(), StoreError> {
        self.dead_files("locks")?;
        self.containers()
    }

    /// Files that exist only while they are locked.
    fn dead_files(&mut self, folder: &str) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join(folder)) {
            let path = entry.path();
            let is_dead = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_dead && path.exists() {
                let subject = format!("file {folder}/{}", entry.file_name().to_string_lossy());
                self.found(Severity::Leftover, subject, "its process is gone", |_| {
                    // Whoever takes the lock sees that the name is gone, and tries again.
                    let file = File::open(&path).ok().filter(|file| file.try_lock().is_ok());
                    Ok(file.and_then(|_| std::fs::remove_file(&path).ok()).map(|()| "removed".to_owned()))
                })?;
            }
        }
        Ok(())
    }

    fn containers(&mut self) -> Result<(), StoreError> {
        let root = self.store.root().join("containers");
        if let Err(error) = Containers::of(self.store.root()).list() {
            self.found(Severity::Damage, "containers", error.to_string(), |_| Ok(None))?;
        }
        for entry in entries(&root) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let is_container = name.len() == 64 && path.is_dir();
            let is_held = || File::open(path.join("lock")).is_ok_and(|file| file.try_lock_shared().is_err());
            if is_container && !path.join("config.json").exists() && !is_held() && path.exists() {
                let subject = format!("container {}", &name[..12]);
                self.found(Severity::Leftover, subject, "it was never finished", |store| {
                    store.remove_leftover(&path)?;
                    Ok(Some("removed".to_owned()))
                })?;
            }
        }
        Ok(())
    }
}
