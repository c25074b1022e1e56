//! Places in a directory that is being filled from an archive nobody trusts: every name is resolved within it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::error::shown;
use super::{LayerError, directory};
use crate::io_error::{AtPath, IoError};

pub(super) struct Places {
    path: PathBuf,
    root: OwnedFd,
    /// The directory used last: entries of one directory follow each other.
    last: Option<(PathBuf, OwnedFd)>,
}

/// A name of an archive without `.`, doubled and leading slashes; empty for the root.
pub(super) fn clean(path: &Path) -> Result<PathBuf, LayerError> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                return Err(LayerError::Unsafe { entry: shown(path), reason: "its name goes up with `..`" });
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// A clean path's directory and last name; `None` for the root.
pub(super) fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

impl Places {
    pub(super) fn open(path: &Path) -> Result<Self, LayerError> {
        let root = directory::open_root(path).at("open", path)?;
        Ok(Self { path: path.to_owned(), root, last: None })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The directory at the clean path `path`, `None` when it does not exist. Symlinks on the way are followed within
    /// the root, as an unpacking program in a chroot would.
    pub(super) fn directory(&mut self, path: &Path) -> Result<Option<BorrowedFd<'_>>, LayerError> {
        if path.as_os_str().is_empty() {
            return Ok(Some(self.root.as_fd()));
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            self.last = match self.open_within(path) {
                Ok(directory) => Some((path.to_owned(), directory)),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR) => {
                    return Err(LayerError::Unsafe { entry: shown(path), reason: "its folder is not a folder" });
                }
                Err(Errno::LOOP) => {
                    return Err(LayerError::Unsafe { entry: shown(path), reason: "its folder is a loop of symlinks" });
                }
                Err(error) => return Err(self.io("open", path, error)),
            };
        }
        Ok(self.last.as_ref().map(|(_, directory)| directory.as_fd()))
    }

    fn open_within(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// Removes whatever is called `name` in `parent`, with all below it; no symlink is followed.
    pub(super) fn remove(&mut self, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        let path = parent.join(name);
        self.last = None;
        let Some(parent) = self.directory(parent)? else { return Ok(()) };
        let removed = remove_all(parent, name);
        self.last = None;
        removed.map_err(|error| self.io("remove", &path, error))
    }

    pub(super) fn io(&self, action: &'static str, path: &Path, source: impl Into<io::Error>) -> LayerError {
        IoError { action, path: self.path.join(path), source: source.into() }.into()
    }
}

fn remove_all(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for child in directory::sorted_names(&directory)? {
        remove_all(directory.as_fd(), OsStr::from_bytes(child.to_bytes()))?;
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// The name that a whiteout's name deletes.
pub(super) fn whiteout_target(name: &OsStr) -> Option<OsString> {
    name.as_bytes().strip_prefix(b".wh.").map(|target| OsStr::from_bytes(target).to_owned())
}
