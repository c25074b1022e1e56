//! Events of a transfer.

use crate::base::digest::BlobDigest;

/// Something that happened to a blob. Events come from several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The image needs it. Reported in the image's order.
    Announced { size: u64 },
    /// It exists already.
    Exists,
    /// Taken over from another repository of the same registry.
    Mounted { from: &'a str },
    /// This many bytes of it have arrived; fewer than before if it had to start again.
    Moved { bytes: u64 },
    /// All of it was transferred and checked.
    Complete,
    /// It stays at the location in its manifest, outside registries.
    Foreign,
}

pub trait Progress: Sync {
    fn event(&self, blob: &BlobDigest, event: Event<'_>);
    /// Whether the transfer was canceled.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Whether tags wait for other pushes: then their images are first sent by digest.
    fn holds_names(&self) -> bool {
        false
    }

    /// All content has arrived, and tags are next; waits for the others. False if nothing is to be tagged.
    fn may_name(&self) -> bool {
        true
    }
}

/// Ignores events.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &BlobDigest, _: Event<'_>) {}
}
