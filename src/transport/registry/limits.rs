//! How patient rbuild is with registries.

use std::time::Duration;

use super::Pace;

/// Time and size limits that apply to every request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How often a request is tried before it fails. A transfer that moved [`Limits::PROGRESS`] bytes since the last
    /// break starts counting again.
    pub tries: u32,
    /// The time limit for connecting.
    pub connect: Duration,
    /// The time limit for the next byte of a response, and for sending the next part of an upload.
    pub stall: Duration,
    /// The minimum rate of a response in bytes per second, averaged over [`Limits::window`] of waiting; 0 disables it.
    pub slowest: u64,
    pub window: Duration,
    /// The time limit for responses that take the registry time: the end of an upload, a manifest.
    pub answer: Duration,
    /// The pause before the second try; it doubles with every further one, and is randomly reduced to 50 to 100 %.
    pub pause: Duration,
    /// The longest pause. If the registry asks for a longer one with `Retry-After`, the request fails.
    pub longest_pause: Duration,
    /// Blobs of up to this many bytes are sent in one request, larger ones in chunks of this size.
    pub piece: u64,
}

impl Limits {
    /// The tries of every request.
    pub const TRIES: u32 = 6;
    /// The number of bytes after which a broken transfer counts as progressing.
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
