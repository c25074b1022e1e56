//! How patient rbuild is with registries.

use std::time::Duration;

use super::Pace;

/// Bounds of time and size for requests. Every request is bounded by them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How often a request is tried before it counts as failed. A transfer that moved [`Limits::PROGRESS`] bytes since
    /// it broke last starts counting anew.
    pub tries: u32,
    /// For a connection to come about.
    pub connect: Duration,
    /// For the next byte of an answer, and for the next piece of an upload to be taken.
    pub stall: Duration,
    /// Bytes per second that an answer must have, on average over [`Limits::window`] of waiting for it; 0: any will do.
    pub slowest: u64,
    pub window: Duration,
    /// For the answer to a request whose work takes the registry time: the end of an upload, a manifest.
    pub answer: Duration,
    /// The pause before the second try; it doubles with every further one, and is cut by chance to 50 to 100 %.
    pub pause: Duration,
    /// The longest pause, also where the registry asks for a longer one with `Retry-After`: then the request fails.
    pub longest_pause: Duration,
    /// Blobs of up to this many bytes are sent in one request, larger ones in pieces of this length.
    pub piece: u64,
}

impl Limits {
    /// The tries of every request.
    pub const TRIES: u32 = 6;
    /// The bytes after which a broken transfer counts as one that gets on.
    pub const PROGRESS: u64 = 1 << 20;

    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.slowest, self.window)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tries: Self::TRIES,
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            slowest: 1024,
            window: Duration::from_secs(60),
            answer: Duration::from_secs(300),
            pause: Duration::from_millis(300),
            longest_pause: Duration::from_secs(60),
            piece: 32 << 20,
        }
    }
}
