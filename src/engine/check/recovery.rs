//! Checks what a power loss may have damaged, once per boot before anything is served: everything written since the
//! last sync is verified or removed. After an ordinary reboot there is nothing to read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Check, Finding, Severity, entries};
use crate::store::{Store, StoreError};

/// How many seconds a file's time may be behind the clock.
const SLACK: i64 = 2;

/// Checks, unless this was done since the boot, and returns what was found and repaired.
pub fn after_boot(root: &Path) -> Result<Vec<Finding>, StoreError> {
    // A separate one: the locks of this check should not be held for the whole command.
    let store = Store::open(root)?;
    store.hold_nothing();
    let _lock = store.lock("boot")?;
    if !store.is_new_to_boot() {
        return Ok(Vec::new());
    }
    let mut check = Check { store: &store, repairs: true, findings: Vec::new() };
    let since = store.synced_until() - SLACK;
    check.blobs_since(since)?;
    check.unsynced_layers()?;
    check.images()?;
    check.checkouts_since(since)?;
    check.unsynced_steps()?;
    check.containers()?;
    check.volumes()?;
    let findings = check.findings;
    // So that the next boot need not check the same again.
    store.sync()?;
    store.note_boot()?;
    Ok(findings)
}

impl Check<'_> {
    /// Kept steps can't be verified.
    fn unsynced_steps(&mut self) -> Result<(), StoreError> {
        for name in self.store.unsynced_steps() {
            let fault = "they were not safe on the disk";
            self.found(Severity::Damage, format!("steps debug/{name}"), fault, |store| {
                let removed = store.remove_kept_steps(&name)?;
                Ok(removed.then(|| "removed: `debug` cannot enter them".to_owned()))
            })?;
        }
        Ok(())
    }

    /// Checkouts can't be verified: the doubtful ones are fetched again.
    fn checkouts_since(&mut self, second: i64) -> Result<(), StoreError> {
        for entry in entries(&self.store.root().join("checkouts")) {
            if entry.metadata().is_ok_and(|status| status.ctime() >= second) {
                let subject = format!("checkout {}", entry.file_name().to_string_lossy());
                let fault = "it was not safe on the disk when the machine went down";
                self.found(Severity::Leftover, subject, fault, |store| {
                    store.remove_leftover(&entry.path())?;
                    Ok(Some("removed: it is fetched again when it is needed".to_owned()))
                })?;
            }
        }
        Ok(())
    }
}
