//! Verifies a store: that every byte is what its digest says, that what the database names is there, and that nothing is
//! there that nobody needs. Repairs what it finds when it is asked to.
//!
//! Must not know how anything came into the store. What is found while other processes work is looked at again before
//! anything is said of it, and what a process uses is left alone.

mod blobs;
mod history;
mod images;
mod kept;
mod layers;
mod leftovers;
mod notes;
mod recovery;

use std::path::Path;

pub use recovery::after_boot;

use crate::store::{Store, StoreError};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is not what it should be.
    Damage,
    /// Something that takes room and does no harm.
    Leftover,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Whether it does harm.
    pub severity: Severity,
    /// The thing: `blob sha256:...`.
    pub subject: String,
    /// What is wrong with it.
    pub fault: String,
    /// What was done about it.
    pub repair: Option<String>,
}

/// A store that is being checked.
pub struct Check<'a> {
    store: &'a Store,
    repairs: bool,
    findings: Vec<Finding>,
}

/// Checks all of the store.
pub fn check(store: &Store, repairs: bool) -> Result<Vec<Finding>, StoreError> {
    store.hold_nothing();
    let mut check = Check { store, repairs, findings: Vec::new() };
    for fault in store.database_faults()? {
        check.found(Severity::Damage, "database", fault, |_| Ok(None))?;
    }
    check.blobs()?;
    check.layers()?;
    check.images()?;
    check.cache_records()?;
    check.notes()?;
    check.explanations()?;
    check.history()?;
    check.kept_steps()?;
    check.leftovers()?;
    check.containers()?;
    check.volumes()?;
    Ok(check.findings)
}

impl Check<'_> {
    /// Notes a finding, and repairs it with `repair`, which says what it did, or nothing when it could not.
    fn found(
        &mut self,
        severity: Severity,
        subject: impl Into<String>,
        fault: impl Into<String>,
        repair: impl FnOnce(&Store) -> Result<Option<String>, StoreError>,
    ) -> Result<(), StoreError> {
        let repair = if self.repairs { repair(self.store)? } else { None };
        self.findings.push(Finding { severity, subject: subject.into(), fault: fault.into(), repair });
        Ok(())
    }

    fn cache_records(&mut self) -> Result<(), StoreError> {
        for (key, diff_id) in self.store.dead_cache_records()? {
            let subject = format!("cache record {}", key.short());
            let fault = format!("layer {diff_id} is not there");
            self.found(Severity::Leftover, subject, fault, |store| {
                store.forget_cache_record(&key)?;
                Ok(Some("forgotten: the step will run again".to_owned()))
            })?;
        }
        Ok(())
    }
}

/// The entries of a folder that may not be there.
fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}
