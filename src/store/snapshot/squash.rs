//! Merges several layers into one, with all changes that they make to the layers below.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::makedev;

use super::{Attributes, Draft, Entry, Node, SnapshotError, View};
use crate::base::io_error::AtPath;
use crate::image::layer::FileKind;

/// overlayfs' whiteout: a character device with this number.
const WHITEOUT: u64 = 0;

/// Writes a single layer to the empty folder `directory` that has the same effect on `lower` as the layers `above` (the
/// lowest first).
pub fn squash(lower: &[PathBuf], above: &[PathBuf], directory: &Path) -> Result<(), SnapshotError> {
    let all: Vec<PathBuf> = lower.iter().chain(above).cloned().collect();
    let mut squash = Squash {
        merged: View::of_layers(&all)?,
        lower: View::of_layers(lower)?,
        draft: Draft::new(lower, directory)?,
        above: above.len(),
        links: HashMap::new(),
    };
    let root = Path::new("");
    if let Some(entry) = squash.merged.lstat(root)? {
        let attributes = squash.attributes(root, &entry)?;
        squash.draft.set_attributes(root, &attributes)?;
    }
    squash.folder(root)?;
    squash.draft.finish()
}

struct Squash {
    merged: View,
    lower: View,
    draft: Draft,
    /// The number of layers to merge; they are the first of the merged view.
    above: usize,
    /// Where a file with several names was written, by its inode.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Squash {
    fn is_above(&self, entry: &Entry) -> bool {
        entry.layer < self.above
    }

    fn folder(&mut self, folder: &Path) -> Result<(), SnapshotError> {
        let entries = self.merged.read_dir(folder)?;
        let names: HashSet<_> = entries.iter().map(|(name, _)| name.clone()).collect();
        let is_below = self.lower.lstat(folder)?.is_some_and(|entry| entry.is_dir());
        let below = if is_below { self.lower.read_dir(folder)? } else { Vec::new() };
        for (name, entry) in entries {
            let path = folder.join(name);
            if entry.is_dir() {
                if self.is_above(&entry) {
                    self.write_folder(&path, &entry)?;
                }
                if self.merged.directory(&path)?.iter().any(|layer| *layer < self.above) {
                    self.folder(&path)?;
                }
            } else if self.is_above(&entry) {
                self.make_room(&path)?;
                self.write(&path, &entry)?;
            }
        }
        for (name, _) in below.into_iter().filter(|(name, _)| !names.contains(name)) {
            let path = folder.join(name);
            self.make_room(&path)?;
            let attributes = Attributes { mtime: Some(0), ..Attributes::default() };
            self.draft.make_node(&path, &Node::CharDevice(WHITEOUT), &attributes)?;
        }
        Ok(())
    }

    fn write_folder(&mut self, path: &Path, entry: &Entry) -> Result<(), SnapshotError> {
        let attributes = self.attributes(path, entry)?;
        match self.draft.view().lstat(path)? {
            Some(below) if below.is_dir() => self.draft.set_attributes(path, &attributes),
            _ => self.draft.make_dir(path, &attributes),
        }
    }

    /// A folder of the lower layers is replaced by something that is not a folder.
    fn make_room(&mut self, path: &Path) -> Result<(), SnapshotError> {
        match self.draft.view().lstat(path)? {
            Some(below) if below.is_dir() => self.draft.clear(path),
            _ => Ok(()),
        }
    }

    fn write(&mut self, path: &Path, entry: &Entry) -> Result<(), SnapshotError> {
        let attributes = self.attributes(path, entry)?;
        match entry.kind {
            FileKind::Regular => {
                if let Some(first) = entry.shared_inode().and_then(|inode| self.links.get(&inode)).cloned() {
                    return self.draft.hard_link(&first, path);
                }
                let mut from = self.merged.open_file(path, entry)?;
                let mut to = self.draft.create_file(path)?;
                io::copy(&mut from, &mut to).at("write", path)?;
                self.links.insert(entry.inode, path.to_owned());
                self.draft.end_file(&to, path, &attributes).map(drop)
            }
            FileKind::Symlink => {
                let target = self.merged.read_link(path, entry)?;
                self.draft.make_node(path, &Node::Symlink(&target), &attributes)
            }
            FileKind::Fifo => self.draft.make_node(path, &Node::Fifo, &attributes),
            FileKind::CharDevice { major, minor } => {
                self.draft.make_node(path, &Node::CharDevice(makedev(major, minor)), &attributes)
            }
            FileKind::BlockDevice { major, minor } => {
                self.draft.make_node(path, &Node::BlockDevice(makedev(major, minor)), &attributes)
            }
            FileKind::Directory | FileKind::Socket => Ok(()),
        }
    }

    fn attributes(&self, path: &Path, entry: &Entry) -> Result<Attributes, SnapshotError> {
        Ok(Attributes {
            mode: entry.mode,
            owner: entry.owner,
            mtime: Some(entry.mtime),
            xattrs: self.merged.xattrs(path, entry)?,
        })
    }
}
