//! The same work for many items, in parallel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The stack of a thread that walks trees of folders, the deepest of which has two thousand levels.
pub const STACK: usize = 32 << 20;

/// Runs work that walks trees of folders, with enough stack for the deepest.
pub fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = Mutex::new(Some(work));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take().map(|work| work());
    let done = std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, take) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread is available: most trees are flat.
            Err(_) => take(),
        }
    });
    done.expect("it is taken once")
}

/// Runs `work` for each of `items`, at most `at_once` at a time, and returns the results in order. Starts nothing new
/// after the first error.
pub fn side_by_side<T: Sync, R: Send, E: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Ok(items.iter().map(|_| None).collect::<Vec<Option<R>>>()));
    let one_after_another = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            match (result, results.as_mut()) {
                (Ok(result), Ok(all)) => all[index] = Some(result),
                (Err(error), Ok(_)) => {
                    next.store(items.len(), Ordering::Relaxed);
                    *results = Err(error);
                }
                (_, Err(_)) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..at_once.clamp(1, items.len().max(1)) {
            // If no more threads are available, fewer do the work.
            let _ = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, one_after_another);
        }
        one_after_another();
    });
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner)?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_an_error_ends_it() {
        let numbers: Vec<usize> = (0..100).collect();
        let doubled = side_by_side(&numbers, 4, |number| Ok::<_, ()>(number * 2)).unwrap();
        assert_eq!(doubled, numbers.iter().map(|number| number * 2).collect::<Vec<_>>());
        let done = AtomicUsize::new(0);
        let outcome = side_by_side(&numbers, 1, |number| {
            done.fetch_add(1, Ordering::Relaxed);
            if *number == 3 { Err("three") } else { Ok(()) }
        });
        assert_eq!((outcome, done.into_inner()), (Err("three"), 4));
        assert_eq!(side_by_side(&[], 4, |(): &()| Ok::<(), ()>(())), Ok(vec![]));
    }
}
