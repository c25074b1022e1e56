//! The difference between two scans, written as overlayfs writes it: a layer's folder.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::scan::{Scan, Seen};
use crate::base::foreign::{Folder, LinkOwners, Tree, are_owners_recorded};
use crate::base::io_error::AtPath as _;
use crate::image::layer::FileKind;
use crate::store::snapshot::copy_tree::EntryCopy;
use crate::store::snapshot::layer_folder::OPAQUE;
use crate::store::snapshot::{SnapshotError, View};

const COMPARED_AT_ONCE: usize = 64 << 10;

pub(super) fn write(
    root: &Tree,
    (before, after, lifted): (&Scan, &Scan, &[&Path]),
    below: &View,
    upper: &Path,
) -> Result<(), SnapshotError> {
    let target = Tree::beneath(Folder::open(upper)?);
    let owners = if are_owners_recorded() { LinkOwners::of(root.root().shown())? } else { LinkOwners::default() };
    let copy = EntryCopy::new(&target, owners);
    let mut writer = Writer {
        root,
        below,
        target: &target,
        copy,
        known: HashSet::new(),
        same_content: HashMap::new(),
        linked: newly_linked(before, after),
    };
    for (path, now) in &after.0 {
        let then = before.0.get(path);
        if then != Some(now) && !writer.is_same_by_another_name(path, then, now)? {
            let is_new_folder = now.kind == FileType::Directory && !then.is_some_and(|then| then.is_same_file(now));
            writer.write(path, now, is_new_folder)?;
        }
    }
    for folder in lifted {
        if after.0.get(*folder).is_some_and(|now| now.kind == FileType::Directory) {
            writer.make_way(folder)?;
        }
    }
    // If a folder is gone or was replaced, so is everything that was in it.
    let is_still = |folder: &Path| {
        let (then, now) = (before.0.get(folder), after.0.get(folder));
        folder.as_os_str().is_empty() || then.zip(now).is_some_and(|(then, now)| then.is_same_file(now))
    };
    for path in before.0.keys().filter(|path| !after.0.contains_key(*path)) {
        if path.ancestors().skip(1).all(is_still) {
            writer.hide(path)?;
        }
    }
    Ok(())
}

/// Files with new names.
fn newly_linked(before: &Scan, after: &Scan) -> HashSet<u64> {
    let is_new = |path: &Path, now: &Seen| !before.0.get(path).is_some_and(|then| then.is_same_file(now));
    after.0.iter().filter(|(path, now)| is_new(path, now)).map(|(_, now)| now.inode()).collect()
}

struct Writer<'a> {
    root: &'a Tree,
    below: &'a View,
    target: &'a Tree,
    copy: EntryCopy<'a>,
    /// Folders that the layer already has.
    known: HashSet<PathBuf>,
    /// Files with several names, by inode, that are unchanged from the lower layers.
    same_content: HashMap<u64, bool>,
    linked: HashSet<u64>,
}

impl Writer<'_> {
    fn write(&mut self, path: &Path, now: &Seen, is_new_folder: bool) -> Result<(), SnapshotError> {
        if now.kind == FileType::Socket {
            return Ok(());
        }
        self.make_way(path.parent().unwrap_or(Path::new("")))?;
        if now.kind == FileType::Directory {
            self.folder(path)?;
            if is_new_folder && self.below.lstat(path)?.is_some() {
                self.target.folder(path)?.set_own_xattr(OPAQUE, b"y")?;
            }
            return Ok(());
        }
        let Some((folder, name)) = self.root.parent(path)? else { return Ok(()) };
        let Some((into, _)) = self.target.parent(path)? else { return Ok(()) };
        into.remove_all(name)?;
        Ok(self.copy.entry(folder.handle(name)?, &into, path)?)
    }

    /// Creates the folder at `path`, and its parents, in the layer.
    fn make_way(&mut self, path: &Path) -> Result<(), SnapshotError> {
        if path.as_os_str().is_empty() || self.known.contains(path) {
            return Ok(());
        }
        self.make_way(path.parent().unwrap_or(Path::new("")))?;
        self.folder(path)
    }

    fn folder(&mut self, path: &Path) -> Result<(), SnapshotError> {
        if !self.known.insert(path.to_owned()) {
            return Ok(());
        }
        let Some((into, name)) = self.target.parent(path)? else { return Ok(()) };
        if into.stat(name)?.is_none() {
            into.make_folder(name, 0o700)?;
        }
        let source = self.root.folder(path)?.itself()?;
        Ok(self.copy.attributes(&source.stat()?, &source, &into.handle(name)?)?)
    }

    fn hide(&mut self, path: &Path) -> Result<(), SnapshotError> {
        let is_below = self.below.lstat(path)?.is_some();
        if is_below {
            self.make_way(path.parent().unwrap_or(Path::new("")))?;
        }
        let Ok(Some((into, name))) = self.target.parent(path) else { return Ok(()) };
        into.remove_all(name)?;
        if !is_below {
            return Ok(());
        }
        Ok(into.make_node(name, FileType::CharacterDevice, 0, 0)?)
    }

    /// Removing one name of a file changes its ctime, though its other names have not changed. Where that may be the
    /// cause, the file is compared with that of the lower layers.
    fn is_same_by_another_name(&mut self, path: &Path, then: Option<&Seen>, now: &Seen) -> Result<bool, SnapshotError> {
        let had_others = then.is_some_and(|then| then.is_same_file(now) && (then.names > 1 || now.names > 1));
        // The new name was linked to the only name that existed.
        let was_linked = then.is_some_and(|then| then.names == 1) && self.linked.contains(&now.inode());
        if now.kind != FileType::RegularFile || !had_others || was_linked {
            return Ok(false);
        }
        let entry = self.below.lstat(path)?.filter(|entry| entry.kind == FileKind::Regular);
        let (Some(entry), Some((folder, name))) = (entry, self.root.parent(path)?) else { return Ok(false) };
        let stat = folder.handle(name)?.stat()?;
        let own = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_size as u64);
        if own != (entry.mode, entry.owner.uid, entry.owner.gid, entry.mtime, entry.size) {
            return Ok(false);
        }
        if let Some(known) = self.same_content.get(&now.inode()) {
            return Ok(*known);
        }
        let (mut one, mut other) = (folder.open_file(name)?, self.below.open_file(path, &entry)?);
        let (mut left, mut right) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
        let is_same = loop {
            match one.read(&mut left).at("read", path)? {
                0 => break true,
                count if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] => {
                    break false;
                }
                _ => {}
            }
        };
        self.same_content.insert(now.inode(), is_same);
        Ok(is_same)
    }
}
