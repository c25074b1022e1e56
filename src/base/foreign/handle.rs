//! Whatever has a name, held by an `O_PATH` handle and checked before it is opened. Or an open file whose attributes
//! are to be set.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timestamps, Uid};
use rustix::io::Errno;

use super::{Folder, own, recorded};
use crate::base::io_error::IoError;

/// Something in a foreign tree, opened.
#[derive(Debug)]
pub struct Handle {
    handle: OwnedFd,
    /// Its name in messages.
    shown: PathBuf,
    /// It never changes.
    kind: OnceLock<FileType>,
    /// The handle can be read or written; other handles only refer to the file.
    is_open: bool,
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Handle {
    pub(super) fn new(handle: OwnedFd, shown: PathBuf) -> Self {
        Self { handle, shown, kind: OnceLock::new(), is_open: false }
    }

    /// The handle of an open file.
    pub fn of_file(file: File, shown: PathBuf) -> Self {
        Self { handle: file.into(), shown, kind: OnceLock::new(), is_open: true }
    }

    /// A handle of what an `O_PATH` handle is of.
    pub fn of_path(handle: OwnedFd, shown: PathBuf) -> Self {
        Self::new(handle, shown)
    }

    /// A handle of what is at a path that rbuild made or that its user gave: links in the path are followed.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let opened = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let handle = opened.map_err(|error| IoError { action: "open", path: path.to_owned(), source: error.into() })?;
        Ok(Self::new(handle, path.to_owned()))
    }

    /// Its name in messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The descriptor alone.
    pub fn into_fd(self) -> OwnedFd {
        self.handle
    }

    /// Its status, with the owner that it is meant to have.
    pub fn stat(&self) -> Result<Stat, IoError> {
        self.stat_or_errno().map_err(self.failed("look at"))
    }

    fn stat_or_errno(&self) -> rustix::io::Result<Stat> {
        let stat = recorded::seen_of(&self.handle, rustix::fs::fstat(&self.handle)?)?;
        self.kind.get_or_init(|| FileType::from_raw_mode(stat.st_mode));
        Ok(stat)
    }

    /// Its type.
    pub fn kind(&self) -> Result<FileType, IoError> {
        self.kind_or_errno().map_err(self.failed("look at"))
    }

    pub(super) fn kind_or_errno(&self) -> rustix::io::Result<FileType> {
        match self.kind.get() {
            Some(kind) => Ok(*kind),
            None => Ok(FileType::from_raw_mode(self.stat_or_errno()?.st_mode)),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The folder behind the handle.
    pub fn folder(&self) -> Result<Folder, IoError> {
        match self.kind()? {
            FileType::Directory => {
                let handle = self.handle.try_clone();
                let failed = |source| IoError { action: "open", path: self.shown.clone(), source };
                Ok(Folder::new(handle.map_err(failed)?, self.shown.clone()))
            }
            _ => Err(self.failed("open")(Errno::NOTDIR)),
        }
    }

    /// Opens the regular file behind the handle; nothing else is ever opened.
    pub fn open_file(&self) -> Result<File, IoError> {
        match self.kind()? {
            FileType::RegularFile => {
                Ok(own::reopen(&self.handle, OFlags::RDONLY | OFlags::NONBLOCK).map_err(self.failed("open"))?.into())
            }
            _ => Err(no_file(self.shown.clone())),
        }
    }

    /// The target of the symbolic link behind the handle.
    pub fn read_link(&self) -> Result<PathBuf, IoError> {
        let read = match rustix::fs::readlinkat(&self.handle, "", Vec::new()) {
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) if recorded::are_owners_recorded() => {
                recorded::read_link_of(&self.handle)
            }
            read => read,
        };
        let target = read.map_err(self.failed("read the link"))?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    /// Gives it to a user and a group.
    pub fn set_owner(&self, uid: Uid, gid: Gid) -> Result<(), IoError> {
        recorded::set_owner_of(&self.handle, uid, gid).map_err(self.failed("change the owner of"))
    }

    /// Sets the mode; a link has none.
    pub fn set_mode(&self, mode: u32) -> Result<(), IoError> {
        if self.is_open {
            return recorded::set_mode_of(self, Mode::from_raw_mode(mode)).map_err(self.failed("change the mode of"));
        }
        match self.kind()? {
            FileType::Symlink => Err(self.failed("change the mode of")(Errno::LOOP)),
            _ if recorded::are_owners_recorded() => recorded::record_mode_of(&self.handle, Mode::from_raw_mode(mode))
                .map_err(self.failed("change the mode of")),
            _ => own::set_mode(&self.handle, Mode::from_raw_mode(mode)).map_err(self.failed("change the mode of")),
        }
    }

    /// Sets its times.
    pub fn set_times(&self, times: &Timestamps) -> Result<(), IoError> {
        rustix::fs::utimensat(&self.handle, "", times, AtFlags::EMPTY_PATH).map_err(self.failed("set the time of"))
    }

    /// Its current path, seen from this process's root: only for display and comparison.
    pub fn path(&self) -> Result<PathBuf, IoError> {
        own::path(&self.handle).map_err(self.failed("look for"))
    }

    pub(super) fn failed(&self, action: &'static str) -> impl Fn(Errno) -> IoError + '_ {
        move |error| IoError { action, path: self.shown.clone(), source: error.into() }
    }
}

/// What was opened, if it is a regular file.
pub(super) fn regular(opened: OwnedFd, shown: PathBuf) -> Result<File, IoError> {
    match rustix::fs::fstat(&opened) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Ok(opened.into()),
        Ok(_) => Err(no_file(shown)),
        Err(error) => Err(IoError { action: "look at", path: shown, source: error.into() }),
    }
}

fn no_file(path: PathBuf) -> IoError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
    IoError { action: "open", path, source }
}
