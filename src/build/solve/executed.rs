//! What was executed by all builds that run side by side.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::digest::CacheKey;
use crate::store::StepLayer;

/// What was executed, cache or not, by all builds that have this: one step of two stages, or of two builds, is executed
/// once.
#[derive(Default)]
pub struct Executed {
    layers: Mutex<HashMap<CacheKey, StepLayer>>,
    /// Cache mounts that were begun anew.
    fresh_mounts: Mutex<BTreeSet<String>>,
}

impl Executed {
    pub(super) fn layer(&self, key: &CacheKey) -> Option<StepLayer> {
        lock(&self.layers).get(key).copied()
    }

    pub(super) fn keep(&self, key: CacheKey, layer: StepLayer) {
        lock(&self.layers).insert(key, layer);
    }

    /// True the first time that somebody asks for the name.
    pub(super) fn is_first_use(&self, cache_mount: &str) -> bool {
        lock(&self.fresh_mounts).insert(cache_mount.to_owned())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
