//! Notices that the client is gone.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

type Wish = Box<dyn FnOnce() + Send>;

/// Notifies the handler of a request when the client has disconnected.
#[derive(Clone, Default)]
pub struct Gone(Arc<Mutex<Wishes>>);

#[derive(Default)]
struct Wishes {
    is_gone: bool,
    wishes: Vec<Wish>,
}

impl Gone {
    /// Runs when the client is gone; immediately if it already is.
    pub fn then(&self, wish: impl FnOnce() + Send + 'static) {
        let mut wishes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wishes.is_gone {
            drop(wishes);
            return wish();
        }
        wishes.wishes.push(Box::new(wish));
    }

    /// Readable when the client is gone.
    pub fn descriptor(&self) -> std::io::Result<OwnedFd> {
        let ours = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let theirs = rustix::io::fcntl_dupfd_cloexec(&ours, 3)?;
        // It fails only if the counter is full, and then it is readable.
        self.then(move || {
            let _ = rustix::io::write(&theirs, &1u64.to_ne_bytes());
        });
        Ok(ours)
    }

    fn tell(&self) {
        let wishes = {
            let mut wishes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            wishes.is_gone = true;
            std::mem::take(&mut wishes.wishes)
        };
        wishes.into_iter().for_each(|wish| wish());
    }
}

/// Dropped together with the client's connection.
pub struct Leaving(Option<Gone>);

impl Leaving {
    pub fn of(gone: Gone) -> Self {
        Self(Some(gone))
    }

    /// The client has its response, or another one of these is held for the rest of it.
    pub fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.iter().for_each(Gone::tell);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn wishes_are_done_once_early_or_late() {
        let (gone, count) = (Gone::default(), Arc::new(AtomicUsize::new(0)));
        let wish = || {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        gone.then(wish());
        let leaving = Leaving::of(gone.clone());
        assert_eq!(count.load(Ordering::SeqCst), 0);
        drop(leaving);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        gone.then(wish());
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
