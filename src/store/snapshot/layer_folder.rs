//! One layer's folder in the store, read without following any of its links.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::{Entry, Owner};
use crate::base::foreign::{Folder, LastFolder, Stat, Tree, xattrs_of};
use crate::base::io_error::{AtPath, IoError};
use crate::image::layer::FileKind;

pub(super) const OPAQUE: &CStr = c"user.overlay.opaque";

pub(super) fn kind_of(stat: &Stat) -> FileKind {
    FileKind::from_stat(stat.st_mode, rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
}

pub(super) struct LayerFolder {
    folders: LastFolder,
    /// A running program may change it, so a file to be read may have become a device.
    is_changing: bool,
}

impl LayerFolder {
    /// The folder of a finished layer.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        Self::of(path, false)
    }

    /// A folder that anyone may change meanwhile.
    pub fn changing(path: &Path) -> Result<Self, IoError> {
        Self::of(path, true)
    }

    fn of(path: &Path, is_changing: bool) -> Result<Self, IoError> {
        Ok(Self { folders: LastFolder::of(Tree::beneath(Folder::open(path)?)), is_changing })
    }

    /// Whether `path` still leads to it.
    pub fn is_at(&self, path: &Path) -> bool {
        self.folders.tree().root().is_at(path)
    }

    /// What is at `path`, whose parents must be folders of this layer; includes whiteouts.
    pub fn entry(&self, path: &Path) -> Result<Option<Entry>, IoError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Some(entry_of(&self.folders.tree().root().status()?)));
        };
        let Some(folder) = self.folders.find_folder(parent)? else { return Ok(None) };
        Ok(folder.stat(name)?.as_ref().map(entry_of))
    }

    /// Whether the folder at `path` hides those of the same name in the layers below.
    pub fn is_opaque(&self, path: &Path) -> Result<bool, IoError> {
        let folder = self.folders.find_folder(path)?;
        let mark = folder.map(|folder| folder.xattr(OPAQUE)).transpose()?.flatten();
        Ok(mark.is_some_and(|mark| mark == b"y"))
    }

    /// The names in the folder at `path`, unordered; none if it was removed.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        match self.folders.find_folder(path)? {
            Some(folder) => folder.names(),
            None => Ok(Vec::new()),
        }
    }

    pub fn open_file(&self, path: &Path) -> Result<File, IoError> {
        let (folder, name) = self.parent(path)?;
        if self.is_changing { folder.handle(name)?.open_file() } else { folder.open_file(name) }
    }

    pub fn read_link(&self, path: &Path) -> Result<PathBuf, IoError> {
        let (folder, name) = self.parent(path)?;
        folder.read_link(name)
    }

    /// The extended attributes, without those of overlayfs, in byte order of their names.
    pub fn xattrs(&self, path: &Path) -> Result<Vec<(String, Vec<u8>)>, IoError> {
        let all = match self.folders.parent(path)? {
            None => self.folders.tree().root().xattrs()?,
            Some((folder, name)) => folder.xattrs_of(name)?,
        };
        Ok(without_overlayfs(all))
    }

    /// The parent folder of `path`, and the last name. The root has no name.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<(Arc<Folder>, &'a OsStr), IoError> {
        match self.folders.parent(path)? {
            Some(parent) => Ok(parent),
            None => Err(Errno::ISDIR).at("open", path),
        }
    }

    pub fn root(&self) -> &Folder {
        self.folders.tree().root()
    }

    /// Call this when a folder was removed or moved.
    pub fn forget(&self) {
        self.folders.forget();
    }
}

fn entry_of(stat: &Stat) -> Entry {
    Entry {
        kind: kind_of(stat),
        mode: stat.st_mode & 0o7777,
        owner: Owner { uid: stat.st_uid, gid: stat.st_gid },
        mtime: stat.st_mtime,
        size: stat.st_size as u64,
        inode: (stat.st_dev, stat.st_ino),
        names: stat.st_nlink as _,
        layer: 0,
    }
}

/// The extended attributes of an open file, without those of overlayfs, in byte order of their names.
pub fn xattrs_of_file(file: &File) -> rustix::io::Result<Vec<(String, Vec<u8>)>> {
    Ok(without_overlayfs(xattrs_of(file)?))
}

fn without_overlayfs(all: Vec<(CString, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let of_layer = |(name, value): (CString, Vec<u8>)| {
        let name = name.into_string().ok()?;
        let of_overlayfs = name.starts_with("user.overlay.") || name.starts_with("trusted.");
        (!of_overlayfs).then_some((name, value))
    };
    all.into_iter().filter_map(of_layer).collect()
}
