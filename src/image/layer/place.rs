//! Paths in a directory that is being filled from an untrusted archive: every name is resolved within it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::LayerError;
use super::error::shown;
use crate::base::foreign::{Folder, LastFolder, Tree};
use crate::base::io_error::IoError;

pub(super) struct Places {
    path: PathBuf,
    /// Entries of one directory usually follow each other.
    folders: LastFolder,
}

/// A name from an archive without `.` and without doubled and leading slashes; empty for the root.
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
    pub(super) fn of(root: Folder) -> Self {
        Self { path: root.shown().to_owned(), folders: LastFolder::of(Tree::in_root(root)) }
    }

    pub(super) fn root(&self) -> &Folder {
        self.folders.tree().root()
    }

    /// The directory at the clean path `path`, `None` when it does not exist. Symlinks on the way are followed within
    /// the root, as an unpacking program in a chroot would.
    pub(super) fn directory(&self, path: &Path) -> Result<Option<Arc<Folder>>, LayerError> {
        let refused = |reason| Err(LayerError::Unsafe { entry: shown(path), reason });
        match self.folders.folder(path) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) => match error.errno() {
                Some(Errno::NOENT) => Ok(None),
                Some(Errno::NOTDIR) => refused("its folder is not a folder"),
                Some(Errno::LOOP) => refused("its folder is a loop of symlinks"),
                _ => Err(error.into()),
            },
        }
    }

    /// Removes whatever is called `name` in `parent`, recursively; no symlink is followed.
    pub(super) fn remove(&self, parent: &Path, name: &OsStr) -> Result<(), LayerError> {
        let removed = self.directory(parent)?.map_or(Ok(()), |parent| parent.remove_all(name));
        self.folders.forget();
        Ok(removed?)
    }

    pub(super) fn io(&self, action: &'static str, path: &Path, source: impl Into<io::Error>) -> LayerError {
        IoError { action, path: self.path.join(path), source: source.into() }.into()
    }
}

/// The name that a whiteout's name deletes.
pub(super) fn whiteout_target(name: &OsStr) -> Option<OsString> {
    name.as_bytes().strip_prefix(b".wh.").map(|target| OsStr::from_bytes(target).to_owned())
}
