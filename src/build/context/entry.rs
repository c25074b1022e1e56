use std::path::Path;

use crate::image::layer::FileKind;
use crate::image::layer::directory::Status;

/// Seconds and nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Tells whether a file is unchanged: if all of this is the same, so is the content (except for changes within the
/// clock's granularity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
}

/// A file of the build context. Owners are not stored: what COPY takes from a context belongs to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub kind: FileKind,
    /// Permission, set-ID and sticky bits.
    pub mode: u32,
    /// Number of hard links, inside the context or not; those of one file share device and inode.
    pub links: u32,
    pub identity: Identity,
    /// For symlinks only.
    pub link_target: Option<&'a Path>,
}

impl Entry<'_> {
    /// Length of a regular file.
    pub fn size(&self) -> u64 {
        self.identity.size
    }
}

impl From<(i64, u32)> for Timestamp {
    fn from((seconds, nanoseconds): (i64, u32)) -> Self {
        Self { seconds, nanoseconds }
    }
}

impl From<&Status> for Identity {
    fn from(status: &Status) -> Self {
        Self {
            device: status.device,
            inode: status.inode,
            size: status.size,
            mtime: status.mtime.into(),
            ctime: status.ctime.into(),
        }
    }
}
