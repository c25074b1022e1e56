//! Working roots, kept between the steps of a build without namespaces.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::store::snapshot::{SnapshotError, WorkingRoot};

/// How many are kept for the next step of a chain.
const MOST_ROOTS: usize = 4;

/// The unused working roots of a build, the most recently used last.
#[derive(Default)]
pub struct WorkingRoots(Mutex<Vec<WorkingRoot>>);

impl WorkingRoots {
    /// The root with most of these layers and no others, if there is one.
    pub(super) fn take(&self, layers: &[PathBuf]) -> Result<Option<WorkingRoot>, SnapshotError> {
        let mut roots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut best = None;
        for (at, root) in roots.iter().enumerate() {
            if let Some(count) = root.has_of(layers)?.filter(|count| *count > 0) {
                best = best.max(Some((count, at)));
            }
        }
        Ok(best.map(|(_, at)| roots.remove(at)))
    }

    /// The store already had a layer with the content of that folder, and keeps the other one, whose files have other times.
    pub(super) fn has_another(&self, layer: &Path) -> Result<(), SnapshotError> {
        let mut roots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(roots.iter_mut().try_for_each(|root| root.is_replaced(layer))?)
    }

    pub(super) fn give_back(&self, root: WorkingRoot) {
        let mut roots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if roots.len() == MOST_ROOTS {
            roots.remove(0);
        }
        roots.push(root);
    }
}
