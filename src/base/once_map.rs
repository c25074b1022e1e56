//! Values that are made once per key, however many callers ask for them at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The slot of one value: its maker holds the lock, and the others wait.
type Place<V> = Arc<Mutex<Option<V>>>;

/// Values by key. Failures are not kept: the next caller tries again.
pub struct OnceMap<K, V>(Mutex<HashMap<K, Place<V>>>);

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> OnceMap<K, V> {
    /// The value of the key; otherwise that of `make`, which is kept.
    pub fn get_or_make<E>(&self, name: K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let place = lock(&self.0).entry(name).or_default().clone();
        let mut known = lock(&place);
        if let Some(value) = &*known {
            return Ok(value.clone());
        }
        let value = make()?;
        *known = Some(value.clone());
        Ok(value)
    }

    /// All values so far.
    pub fn entries(&self) -> Vec<(K, V)> {
        let places: Vec<(K, Place<V>)> =
            lock(&self.0).iter().map(|(name, place)| (name.clone(), place.clone())).collect();
        places.into_iter().filter_map(|(name, place)| Some((name, lock(&place).clone()?))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_thing_is_made_once_and_a_failure_is_not_kept() {
        let (map, count) = (OnceMap::default(), AtomicUsize::new(0));
        let make = || Ok::<_, ()>(count.fetch_add(1, Ordering::SeqCst));
        assert_eq!(map.get_or_make("a", || Err("not yet")), Err("not yet"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(map.get_or_make("a", make), Ok(0)));
            }
        });
        assert_eq!(map.get_or_make("b", make), Ok(1));
    }
}
