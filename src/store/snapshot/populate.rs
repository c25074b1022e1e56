//! Copies a folder of a root filesystem, including owners: the initial content of a new volume.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Timespec, Timestamps, Uid, makedev};
use rustix::io::Errno;

use super::export::walk;
use super::layer_folder::xattrs_of_file;
use super::{Entry, SnapshotError, View};
use crate::base::foreign::{Folder, Handle, LastFolder, Tree};
use crate::base::io_error::{AtPath, IoError};
use crate::image::layer::FileKind;

/// Copies the content of `folder` in the view to the existing folder `destination`, which gets the folder's owner and
/// mode.
pub fn populate(view: &View, folder: &Path, destination: &Path) -> Result<(), SnapshotError> {
    let mut copy =
        Populate { view, to: LastFolder::of(Tree::beneath(Folder::open(destination)?)), links: HashMap::new() };
    let mut folders: Vec<(PathBuf, PathBuf, Entry)> = Vec::new();
    if let Some(entry) = view.lstat(folder)? {
        folders.push((PathBuf::new(), folder.to_owned(), entry));
    }
    walk(view, folder, &mut |path, entry| {
        let target = path.strip_prefix(folder).unwrap_or(path);
        if entry.is_dir() {
            folders.push((target.to_owned(), path.to_owned(), *entry));
        }
        copy.entry(path, entry, target)
    })?;
    for (target, path, entry) in folders.iter().rev() {
        copy.finish(entry, &copy.to.tree().handle(target)?, view.xattrs(path, entry)?)?;
    }
    Ok(())
}

struct Populate<'a> {
    view: &'a View,
    to: LastFolder,
    /// Where files with several names are.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Populate<'_> {
    fn entry(&mut self, path: &Path, entry: &Entry, target: &Path) -> Result<(), SnapshotError> {
        let Some((folder, name)) = self.to.parent(target)? else { return Ok(()) };
        let node = |kind, major, minor| match folder.make_node(name, kind, 0o600, makedev(major, minor)) {
            // As docker does in a user namespace: devices cannot be created there.
            Err(error) if error.errno() == Some(Errno::PERM) => Ok(false),
            made => made.map(|()| true),
        };
        let made = match entry.kind {
            FileKind::Directory => return Ok(folder.make_folder(name, 0o700)?),
            FileKind::Regular => {
                if let Some(first) = entry.shared_inode().and_then(|inode| self.links.get(&inode)) {
                    let Some((from, other)) = self.to.parent(first)? else { return Ok(()) };
                    return Ok(folder.hard_link(name, &from, other)?);
                }
                let (content, made) = (self.view.open_file(path, entry)?, folder.make_file(name, 0o600)?);
                let shown = folder.shown().join(name);
                io::copy(&mut &content, &mut &made).at("write", &shown)?;
                if entry.shared_inode().is_some() {
                    self.links.insert(entry.inode, target.to_owned());
                }
                let xattrs = xattrs_of_file(&content).at("read the attributes of", path)?;
                return self.finish(entry, &Handle::of_file(made, shown), xattrs);
            }
            FileKind::Symlink => folder.make_link(name, &self.view.read_link(path, entry)?).map(|()| true)?,
            FileKind::Fifo => node(FileType::Fifo, 0, 0)?,
            FileKind::CharDevice { major, minor } => node(FileType::CharacterDevice, major, minor)?,
            FileKind::BlockDevice { major, minor } => node(FileType::BlockDevice, major, minor)?,
            // Without its program it is nothing.
            FileKind::Socket => false,
        };
        match made {
            true => self.finish(entry, &folder.handle(name)?, self.view.xattrs(path, entry)?),
            false => Ok(()),
        }
    }

    /// Owner, mode, extended attributes and time, in an order in which none resets another.
    fn finish(&self, entry: &Entry, target: &Handle, xattrs: Vec<(String, Vec<u8>)>) -> Result<(), SnapshotError> {
        target.set_owner(Uid::from_raw(entry.owner.uid), Gid::from_raw(entry.owner.gid))?;
        if entry.kind != FileKind::Symlink {
            target.set_mode(entry.mode)?;
        }
        for (name, value) in xattrs {
            let name = CString::new(name).unwrap_or_default();
            match target.set_xattr(&name, &value) {
                // Not every filesystem supports them, and not every user may set them.
                Err(error) if matches!(error.errno(), Some(Errno::OPNOTSUPP | Errno::PERM)) => {}
                set => set?,
            }
        }
        Ok(set_time(target, entry.mtime)?)
    }
}

/// Sets a time of whole seconds.
pub(super) fn set_time(target: &Handle, seconds: i64) -> Result<(), IoError> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    target.set_times(&Timestamps { last_access: time, last_modification: time })
}
