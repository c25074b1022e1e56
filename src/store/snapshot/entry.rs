//! What is at a path of a tree.

use crate::image::layer::FileKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// The entry of a name in the merged tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub owner: Owner,
    /// Seconds since 1970.
    pub mtime: i64,
    pub size: u64,
    /// Device and inode number: the same for all names of one file.
    pub inode: (u64, u64),
    /// How many names the file has.
    pub names: u64,
    /// The layer that it comes from, counted from the top.
    pub(super) layer: usize,
}

impl Entry {
    pub fn is_dir(&self) -> bool {
        self.kind.is_directory()
    }

    /// The view's layer that it comes from, counted from the top.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The identity of a file with several names.
    pub fn shared_inode(&self) -> Option<(u64, u64)> {
        (self.kind == FileKind::Regular && self.names > 1).then_some(self.inode)
    }
}
