//! Decodes any tar stream into a sequence of entries: ustar, PAX, GNU long names, sparse files and base-256 numbers.
//! Whether a name is safe is up to the code that unpacks it.

mod block;
mod extended;
mod reader;
mod sparse;

use std::path::PathBuf;

pub use block::looks_like_tar;
pub use reader::{ArchiveReader, Content};

use super::FileKind;

/// The limits beyond which an archive is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// An archive with this many entries is refused.
    pub entries: u64,
    /// The total length of all files, including holes.
    pub content_bytes: u64,
    /// Length of a name or link target.
    pub name_bytes: u64,
    /// Length of all the extended headers of one entry.
    pub header_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { entries: 1_000_000, content_bytes: 1 << 40, name_bytes: 4096, header_bytes: 1 << 20 }
    }
}

/// What an entry creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, a directory, a fifo or a device.
    File(FileKind),
    /// A symlink with this target.
    Symlink(PathBuf),
    /// Another name for an earlier entry.
    HardLink(PathBuf),
}

/// One entry's decoded header. Names are as in the archive: they may be absolute or contain `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub kind: EntryKind,
    /// Permission bits, set-id and sticky bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Length of the content, including holes.
    pub size: u64,
    /// Names and values, in byte order of the names.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
