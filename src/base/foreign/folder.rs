//! A folder by its handle: what its names stand for. Nothing here follows a link.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::{Handle, handle, recorded};
use crate::base::io_error::IoError;

/// What getdents64(2) is given: some 400 names.
const LIST_BUFFER: usize = 32 << 10;

/// A folder of a tree; stays the same folder wherever it is moved to.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    /// What messages call it.
    shown: PathBuf,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Folder {
    /// `handle` must be a folder's.
    pub fn new(handle: OwnedFd, shown: PathBuf) -> Self {
        Self { handle, shown }
    }

    /// Opens a folder by a path that rbuild itself made or that its user gave: links in it are followed.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let handle = opened.map_err(|error| IoError { action: "open", path: path.to_owned(), source: error.into() })?;
        Ok(Self::new(handle, path.to_owned()))
    }

    /// What messages call it.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Its own status.
    pub fn status(&self) -> Result<Stat, IoError> {
        rustix::fs::fstat(&self.handle)
            .and_then(|stat| recorded::seen_of(self, stat))
            .map_err(self.failed("look at", OsStr::new("")))
    }

    /// What a name stands for; nothing where there is none (a name that is too long is none).
    pub fn stat(&self, name: &OsStr) -> Result<Option<Stat>, IoError> {
        let found = single(name).and_then(|name| rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW));
        match found.and_then(|stat| recorded::seen_in(self, name, stat)) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(self.failed("look at", name)(error)),
        }
    }

    /// Whatever has the name, a link itself too.
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

    /// A regular file in it, to be read. Does not wait for what the name has become meanwhile, and gives nothing else;
    /// where a running program could have made it a device, [`Handle::open_file`] looks before it opens.
    pub fn open_file(&self, name: &OsStr) -> Result<File, IoError> {
        let opened = self.open_name(name, OFlags::RDONLY | OFlags::NONBLOCK).map_err(self.failed("open", name))?;
        handle::regular(opened, self.shown.join(name))
    }

    /// Where a link in it leads.
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

    /// A handle of the folder that its names and attributes can be read by.
    pub(super) fn readable(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, ".", flags, Mode::empty())
    }

    fn open_name(&self, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        // The kernel ignores what `O_PATH` has no use for.
        rustix::fs::openat(&self.handle, single(name)?, flags, Mode::empty())
    }

    pub(super) fn failed<'a>(&'a self, action: &'static str, name: &'a OsStr) -> impl Fn(Errno) -> IoError + 'a {
        move |error| {
            let path = if name.is_empty() { self.shown.clone() } else { self.shown.join(name) };
            IoError { action, path, source: error.into() }
        }
    }
}

/// What is listed in a folder that is open for reading, in no order, and what each was then.
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
