use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::LayerError;
use crate::digest::{ContentDigest, DiffId, TreeDigest};

/// Digests of files in the layer that were computed when they were written, so that nothing is hashed twice.
pub trait KnownDigests {
    /// The digest of the file at `path`, relative to the layer's root.
    fn content_digest(&self, path: &Path) -> Option<ContentDigest>;
}

/// A layer whose files nobody has hashed yet.
pub struct NothingKnown;

impl KnownDigests for NothingKnown {
    fn content_digest(&self, _: &Path) -> Option<ContentDigest> {
        None
    }
}

impl KnownDigests for HashMap<PathBuf, ContentDigest> {
    fn content_digest(&self, path: &Path) -> Option<ContentDigest> {
        self.get(path).copied()
    }
}

/// What `encode` learnt about a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// SHA-256 of the stream.
    pub diff_id: DiffId,
    /// The same layer without modification times.
    pub tree: TreeDigest,
    /// Length of the tar stream in bytes.
    pub stream_len: u64,
    /// Sum of the lengths of regular files, hard links counted once.
    pub content_bytes: u64,
    /// Number of entries in the stream.
    pub entries: u64,
}

/// Writes the canonical tar stream of the layer directory `dir` to `out` and hashes it on the way; each file is read
/// once. The root directory itself is not an entry.
pub fn encode(dir: &Path, out: impl Write + Send, known: &dyn KnownDigests) -> Result<Encoded, LayerError> {
    let _ = (dir, out, known);
    todo!()
}
