//! Checks containers and volumes: their modules check their own folders, and this turns the results into findings.

use super::{Check, Severity};
use crate::base::flaw::Flaw;
use crate::container::Containers;
use crate::container::volume::Volumes;
use crate::store::{Store, StoreError};

impl Check<'_> {
    pub(super) fn containers(&mut self) -> Result<(), StoreError> {
        let containers = Containers::of(self.store.root());
        containers.flaws().iter().try_for_each(|flaw| self.flaw(flaw, |store| containers.mend(store, flaw)))
    }

    pub(super) fn volumes(&mut self) -> Result<(), StoreError> {
        let volumes = Volumes::of(self.store.root());
        volumes.flaws().iter().try_for_each(|flaw| self.flaw(flaw, |_| volumes.mend(flaw)))
    }

    fn flaw<C>(&mut self, flaw: &Flaw<C>, mend: impl FnOnce(&Store) -> Option<String>) -> Result<(), StoreError> {
        let severity = if flaw.is_damage { Severity::Damage } else { Severity::Leftover };
        self.found(severity, &flaw.subject, &flaw.fault, |store| Ok(mend(store)))
    }
}
