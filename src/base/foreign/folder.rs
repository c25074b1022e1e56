//! A folder by its handle, and access to its names. Nothing here follows a link.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::{Handle, handle, recorded};
use crate::base::io_error::IoError;

/// The buffer size for getdents64(2): some 400 names.
const LIST_BUFFER: usize = 32 << 10;

/// A folder of a tree. It stays the same folder wherever it is moved.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    /// Its name in messages.
    shown: PathBuf,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Folder {
    /// `handle` must be a handle of a folder.
    pub fn new(handle: OwnedFd, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// Opens a folder by a path that rbuild made or that its user gave: links in the path are followed.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let handle = opened.map_err(|error| IoError { action: "open", path: path.to_owned(), source: error.into() })?;
        Ok(Self::new(handle, path.to_owned()))
    }

    /// Its name in messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The folder's own status.
    pub fn status(&self) -> Result<Stat, IoError> {
        rustix::fs::fstat(&self.handle)
            .and_then(|stat| recorded::seen_of(self, stat))
            .map_err(self.failed("look at", OsStr::new("")))
    }

    /// Whether this is what `path` leads to: another folder may be there by now.
    pub fn is_at(&self, path: &Path) -> bool {
        let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
        let own = rustix::fs::fstat(&self.handle).map(identity);
        own.is_ok() && own == rustix::fs::stat(path).map(identity)
    }

    /// The status of a name; `None` if it does not exist (a name that is too long does not exist).
    pub fn stat(&self, name: &OsStr) -> Result<Option<Stat>, IoError> {
        let found = single(name).and_then(|name| rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW));
        match found.and_then(|stat| recorded::seen_in(self, name, stat)) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    /// A handle of whatever has the name; of a symbolic link, the link itself.
    pub fn handle(&self, name: &OsStr) -> Result<Handle, IoError> {
        let opened = self.open_name(name, OFlags::PATH).map_err(self.failed("open", name))?;
        Ok(Handle::new(opened, self.shown.join(name)))
    }

    /// The folder itself.
    pub fn itself(&self) -> Result<Handle, IoError> {
        let handle =
            self.handle.try_clone().map_err(|source| IoError { action: "open", path: self.shown.clone(), source })?;
        Ok(Handle::new(handle, self.shown.clone()))
    }

    /// A folder in it.
    pub fn folder(&self, name: &OsStr) -> Result<Self, IoError> {
        let opened = self.open_name(name, OFlags::PATH | OFlags::DIRECTORY).map_err(self.failed("open", name))?;
        Ok(Self::new(opened, self.shown.join(name)))
    }

    /// Opens a regular file for reading. Never blocks, whatever the name has become meanwhile, and opens nothing else.
    /// Where a running program could have put a device there, use [`Handle::open_file`], which checks before it opens.
    pub fn open_file(&self, name: &OsStr) -> Result<File, IoError> {
        let opened = self.open_name(name, OFlags::RDONLY | OFlags::NONBLOCK).map_err(self.failed("open", name))?;
        handle::regular(opened, self.shown.join(name))
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, name: &OsStr) -> Result<PathBuf, IoError> {
        let read = single(name).and_then(|name| recorded::read_link_in(&self.handle, name));
        let target = read.map_err(self.failed("read the link", name))?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    /// The names in it, in no order.
    pub fn names(&self) -> Result<Vec<OsString>, IoError> {
        let list = || list(self.readable()?);
        let names = list().map_err(self.failed("list", OsStr::new("")))?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    /// The same in byte order.
    pub fn sorted_names(&self) -> Result<Vec<OsString>, IoError> {
        let mut names = self.names()?;
        names.sort_unstable();
        Ok(names)
    }

    /// A handle of the folder through which its names and attributes can be read.
    pub(super) fn readable(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, ".", flags, Mode::empty())
    }

    fn open_name(&self, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        // The kernel ignores flags that do not apply to `O_PATH`.
        rustix::fs::openat(&self.handle, single(name)?, flags, Mode::empty())
    }

    pub(super) fn failed<'a>(&'a self, action: &'static str, name: &'a OsStr) -> impl Fn(Errno) -> IoError + 'a {
        move |error| {
            let path = if name.is_empty() { self.shown.clone() } else { self.shown.join(name) };
            IoError { action, path, source: error.into() }
        }
    }
}

/// Lists a folder that is open for reading: names and their types at that time, unordered.
pub(super) fn list(readable: impl AsFd) -> rustix::io::Result<Vec<(OsString, FileType)>> {
    let mut buffer = Vec::with_capacity(LIST_BUFFER);
    let mut entries = RawDir::new(readable, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push((OsStr::from_bytes(name.to_bytes()).to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// A name that stays in its folder.
pub(super) fn single(name: &OsStr) -> rustix::io::Result<&OsStr> {
    let bytes = name.as_bytes();
    match bytes.contains(&b'/') || matches!(bytes, b"" | b"." | b"..") {
        true => Err(Errno::INVAL),
        false => Ok(name),
    }
}
