//! Detects transfers that are too slow: a server that sends a byte now and then is not silent, but the transfer never
//! ends.

use std::time::Duration;

/// Bytes of one transfer, and the time spent waiting for them. Time in which the reader does not wait does not count.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    slowest: u64,
    window: Duration,
    waited: Duration,
    got: u64,
}

/// Only this many bytes per second arrived during the whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSlow {
    pub slowest: u64,
    pub window: Duration,
}

impl Pace {
    /// `slowest` is in bytes per second, averaged over `window`; 0 disables the check.
    pub fn new(slowest: u64, window: Duration) -> Self {
        Self { slowest, window, waited: Duration::ZERO, got: 0 }
    }

    /// Records that this many bytes arrived after this wait.
    pub fn came(&mut self, bytes: u64, wait: Duration) -> Result<(), TooSlow> {
        self.waited += wait;
        self.got += bytes;
        if self.waited < self.window {
            return Ok(());
        }
        let is_slow = (self.got as f64) < self.slowest as f64 * self.waited.as_secs_f64();
        (self.waited, self.got) = (Duration::ZERO, 0);
        if is_slow { Err(TooSlow { slowest: self.slowest, window: self.window }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_seen_at_the_end_of_the_window() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(100, 3 * second);
        assert!((0..2).all(|_| pace.came(1, second).is_ok()));
        assert!(pace.came(1, second).is_err());
        // One burst counts for its whole window, but for no other.
        assert!([300, 0, 0].into_iter().all(|bytes| pace.came(bytes, second).is_ok()));
        assert!(pace.came(0, second).is_ok() && pace.came(0, 2 * second).is_err());
        assert!((0..9).all(|_| pace.came(0, Duration::ZERO).is_ok()), "whoever reads slowly is not waited for");
        assert!((0..9).all(|_| Pace::new(0, second).came(0, second).is_ok()));
    }
}
