//! Ends a build early: after an error of a step, or when the user cancels it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

type Action = Box<dyn Fn() + Send>;

/// Whether the build is cancelled, and how to stop running steps.
#[derive(Default)]
pub struct Cancellation {
    cancelled: AtomicBool,
    next: AtomicU64,
    actions: Mutex<Vec<(u64, Action)>>,
}

impl Cancellation {
    /// Whether somebody has given up.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Stops what runs, and lets nothing new begin.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        for (_, action) in self.actions().iter() {
            action();
        }
    }

    /// Calls `action` when the build is cancelled, unless the guard was dropped before.
    pub fn on_cancel(&self, action: impl Fn() + Send + 'static) -> OnCancel<'_> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut actions = self.actions();
        if self.is_cancelled() {
            action();
        }
        actions.push((id, Box::new(action)));
        drop(actions);
        OnCancel { cancellation: self, id }
    }

    fn actions(&self) -> MutexGuard<'_, Vec<(u64, Action)>> {
        self.actions.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

pub struct OnCancel<'a> {
    cancellation: &'a Cancellation,
    id: u64,
}

impl Drop for OnCancel<'_> {
    fn drop(&mut self) {
        self.cancellation.actions().retain(|(id, _)| *id != self.id);
    }
}
