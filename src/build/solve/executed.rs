//! What concurrent builds have executed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::digest::CacheKey;
use crate::store::StepLayer;

/// The layers that these builds have executed: a step that two stages or two builds share is executed once, with or
/// without the cache.
#[derive(Default)]
pub struct Executed {
    layers: Mutex<HashMap<CacheKey, StepLayer>>,
    /// Cache mounts that were emptied.
    fresh_mounts: Mutex<BTreeSet<String>>,
}

impl Executed {
    pub(super) fn layer(&self, key: &CacheKey) -> Option<StepLayer> {
        lock(&self.layers).get(key).copied()
    }

    pub(super) fn keep(&self, key: CacheKey, layer: StepLayer) {
        lock(&self.layers).insert(key, layer);
    }

    /// True the first time for each name.
    pub(super) fn is_first_use(&self, cache_mount: &str) -> bool {
        lock(&self.fresh_mounts).insert(cache_mount.to_owned())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
