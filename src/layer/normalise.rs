use std::path::Path;

use super::{FileKind, LayerError};
use crate::io_error::IoError;

/// The layers below one that has just been written, merged.
pub trait LowerTree {
    /// What is at `path` (relative to the root; no symlink is followed), `None` where nothing is.
    fn lookup(&self, path: &Path) -> Result<Option<FileKind>, IoError>;
}

/// What `normalise` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Normalised {
    /// Entries left in the layer, its root not counted.
    pub entries: u64,
    pub whiteouts_dropped: u64,
    pub opaque_marks_dropped: u64,
    pub sockets_dropped: u64,
}

/// Makes an overlay's upper directory a layer directory, once nothing writes to it any more.
///
/// Modification times become whole seconds, rounded down, and no later than `latest_mtime` where one is given
/// (SOURCE_DATE_EPOCH). Whiteouts and opaque marks go where no lower layer has what they hide; sockets and overlayfs'
/// bookkeeping xattrs go always. Entries that are equal to the lower ones stay: telling costs a second read.
pub fn normalise(upper: &Path, lower: &dyn LowerTree, latest_mtime: Option<i64>) -> Result<Normalised, LayerError> {
    let _ = (upper, lower, latest_mtime);
    todo!()
}
