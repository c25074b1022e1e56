//! Verifies a store: all bytes match their digests, everything that the database names exists, and nothing is left that
//! is not needed. Repairs findings on request.
//!
//! Knows nothing about how things came into the store. A finding is checked again before it is reported, because other
//! processes may be working, and what a process uses is left alone.

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

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is damaged.
    Damage,
    /// Something takes up space without doing harm.
    Leftover,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Whether it does harm.
    pub severity: Severity,
    /// Its subject, such as `blob sha256:...`.
    pub subject: String,
    /// What is wrong.
    pub fault: String,
    /// What was done about it.
    pub repair: Option<String>,
}

/// A check in progress.
pub struct Check<'a> {
    store: &'a Store,
    repairs: bool,
    findings: Vec<Finding>,
}

/// Checks the whole store.
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
    /// Adds a finding, and repairs it with `repair`, which returns what it did, or `None` if it could not.
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

/// The entries of a folder that may not exist.
fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}
