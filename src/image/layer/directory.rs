//! Directories read through their handles, never through paths that could lead elsewhere by then.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, statat};

use super::FileKind;
use crate::base::foreign::seen_in;

const LIST_BUFFER: usize = 32 << 10;

/// What `stat` says, in the types used here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) kind: FileKind,
    /// Permission bits, set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    /// In units of 512 bytes.
    pub(crate) blocks: u64,
    pub(crate) links: u64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) mtime: (i64, u32),

    pub(crate) ctime: (i64, u32),
}

impl Status {
    /// The file has holes.
    pub(crate) fn is_sparse(&self) -> bool {
        self.blocks * 512 < self.size
    }
}

impl From<rustix::fs::Stat> for Status {
    fn from(stat: rustix::fs::Stat) -> Self {
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        Self {
            kind: FileKind::from_stat(stat.st_mode, major, minor),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            links: stat.st_nlink as _,
            device: stat.st_dev,
            inode: stat.st_ino,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            ctime: (stat.st_ctime, stat.st_ctime_nsec as u32),
        }
    }
}

/// Opens a directory that the caller trusts, following symlinks.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

pub(crate) fn open_directory(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// Opens a regular file for reading; never blocks, whatever the name has become meanwhile.
pub(crate) fn open_file(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

pub(crate) fn status(parent: impl AsFd, name: &CStr) -> io::Result<Status> {
    let found = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(seen_in(parent, OsStr::from_bytes(name.to_bytes()), found)?.into())
}

/// The names in a directory, in byte order.
pub(crate) fn sorted_names(directory: impl AsFd) -> io::Result<Vec<CString>> {
    let mut buffer = Vec::with_capacity(LIST_BUFFER);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
