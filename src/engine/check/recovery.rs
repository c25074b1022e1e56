//! What a power loss may have left, looked at once in each boot before anything is served: whatever was written since
//! the last sync proves right or goes. After an ordinary reboot nothing was, and nothing is read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Check, Finding, Severity, entries};
use crate::store::{Store, StoreError};

/// Seconds by which a file's time may be behind the clock.
const SLACK: i64 = 2;

/// Looks, if nobody has since the machine started, and gives what was found and mended.
pub fn after_boot(root: &Path) -> Result<Vec<Finding>, StoreError> {
    // One of its own: what it looks at is not to be held for as long as the command takes.
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
    // So that the next boot need not look at the same again.
    store.sync()?;
    store.note_boot()?;
    Ok(findings)
}

impl Check<'_> {
    /// Nothing tells whether what a step has left is whole.
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

    /// Nothing tells whether a checkout is whole: the doubtful ones are fetched again.
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
