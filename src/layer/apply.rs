use std::io::Read;
use std::path::{Path, PathBuf};

use super::{ArchiveLimits, LayerError};
use crate::digest::DiffId;

/// What to do with device nodes where creating them is not permitted (in a user namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DevicePolicy {
    /// Leave them out and list them in `Applied::skipped_devices`, as docker does when rootless.
    #[default]
    Skip,
    /// `LayerError::DeviceNotPermitted`.
    Fail,
}

#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    pub limits: ArchiveLimits,
    pub devices: DevicePolicy,
}

/// What `apply` learnt about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// SHA-256 of the whole stream, whatever follows the end-of-archive mark included.
    pub diff_id: DiffId,
    /// Length of the stream in bytes.
    pub stream_len: u64,
    pub entries: u64,
    /// Sum of the lengths of regular files.
    pub content_bytes: u64,
    pub skipped_devices: Vec<PathBuf>,
    /// Directories that the archive only implies, made with mode 0755, root's.
    pub implied_directories: Vec<PathBuf>,
}

/// Unpacks the uncompressed tar stream of a layer into the empty directory `dir`. Nothing outside `dir` is touched,
/// whatever the stream holds. After an error `dir` holds a part of the layer and has to be removed.
pub fn apply(reader: impl Read + Send, dir: &Path, options: &ApplyOptions) -> Result<Applied, LayerError> {
    let _ = (reader, dir, options);
    todo!()
}
