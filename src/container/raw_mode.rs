//! Puts the user's terminal in raw mode, so that every key reaches the container, and restores it on every way out.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The settings to restore, while they are changed.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal is in raw mode while this exists.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw)?;
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal's settings, if they were changed.
pub(super) fn restore() {
    // During a panic, the thread that holds the lock may never release it.
    let Ok(mut before) = BEFORE.try_lock() else { return };
    if let Some(before) = before.take() {
        // Fails only if the terminal is gone.
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &before);
    }
}

/// A release build aborts on a panic without dropping anything.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |information| {
            restore();
            usual(information);
        }));
    });
}
