//! What people keep: containers and volumes. Each knows its own folder; here what they find becomes findings.

use super::{Check, Severity};
use crate::container::Containers;
use crate::store::StoreError;
use crate::volume::Volumes;

impl Check<'_> {
    pub(super) fn containers(&mut self) -> Result<(), StoreError> {
        let containers = Containers::of(self.store.root());
        for flaw in containers.flaws() {
            let severity = if flaw.is_damage { Severity::Damage } else { Severity::Leftover };
            let (subject, fault) = (flaw.subject.clone(), flaw.fault.clone());
            self.found(severity, subject, fault, |store| Ok(containers.mend(store, &flaw)))?;
        }
        Ok(())
    }

    pub(super) fn volumes(&mut self) -> Result<(), StoreError> {
        let volumes = Volumes::of(self.store.root());
        for flaw in volumes.flaws() {
            let severity = if flaw.is_damage { Severity::Damage } else { Severity::Leftover };
            let (subject, fault) = (format!("volume {}", flaw.name), flaw.fault.clone());
            self.found(severity, subject, fault, |_| Ok(volumes.mend(&flaw)))?;
        }
        Ok(())
    }
}
