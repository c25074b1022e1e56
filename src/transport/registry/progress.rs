//! What is told while an image is transferred.

use crate::base::digest::BlobDigest;

/// Something that happened to a blob. Events come from several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// It is one of those that the image needs, in the image's order.
    Announced { size: u64 },
    /// It is there already.
    Exists,
    /// Taken over from another repository of the same registry.
    Mounted { from: &'a str },
    /// So many bytes of it are there; fewer than before when it had to begin anew.
    Moved { bytes: u64 },
    /// All of it was transferred and checked.
    Complete,
    /// It stays where its manifest says, outside of registries.
    Foreign,
}

pub trait Progress: Sync {
    fn event(&self, blob: &BlobDigest, event: Event<'_>);
    /// Whether nobody wants it any more.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Whether names wait for what others push: then what they are to mean is sent by its digest first.
    fn holds_names(&self) -> bool {
        false
    }

    /// All content is there, and names are next; waits for the others. False where nothing is to be named.
    fn may_name(&self) -> bool {
        true
    }
}

/// Tells nothing.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &BlobDigest, _: Event<'_>) {}
}
