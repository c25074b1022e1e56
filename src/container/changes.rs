//! What a container changed in its image's files: docker's `diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::chroot;
use super::directory::Entry;
use super::docker_files;
use super::error::ContainerError;
use crate::store::snapshot::{Entry as FileEntry, View};

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there before.
    Changed,
    /// It is gone.
    Deleted,
}

/// All changes, by path from the root.
pub fn changes(entry: &Entry) -> Result<BTreeMap<PathBuf, Change>, ContainerError> {
    chroot::check_ended(entry)?;
    let layers = entry.record.layer_paths();
    let upper = entry.upper();
    let mut found = BTreeMap::new();
    if !upper.exists() {
        return Ok(found);
    }
    let below = View::of_layers(&layers)?;
    let merged = View::of_container(&layers, Some(&upper))?;
    let upper = View::open(&[upper])?;
    let mut made: BTreeSet<PathBuf> = entry.state.mount_points.iter().map(|point| relative(&point.path)).collect();
    made.extend(docker_files::found(&upper, &below)?);
    let walk = Walk { upper: &upper, below: &below, merged: &merged, made: &made };
    walk.folder(Path::new(""), &mut found)?;
    Ok(found.into_iter().map(|(path, change)| (Path::new("/").join(path), change)).collect())
}

pub(super) fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

struct Walk<'a> {
    upper: &'a View,
    below: &'a View,
    merged: &'a View,
    /// Mount points that were created for mounts.
    made: &'a BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Returns whether something in the folder was changed.
    fn folder(&self, folder: &Path, found: &mut BTreeMap<PathBuf, Change>) -> Result<bool, ContainerError> {
        let mut any = false;
        let below: BTreeMap<_, _> = match self.below.lstat(folder)? {
            Some(entry) if entry.is_dir() => self.below.read_dir(folder)?.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        let now: BTreeMap<_, _> = self.merged.read_dir(folder)?.into_iter().collect();
        for name in below.keys().filter(|name| !now.contains_key(*name)) {
            found.insert(folder.join(name), Change::Deleted);
            any = true;
        }
        for (name, entry) in &now {
            let path = folder.join(name);
            // A path that is not in the upper folder is unchanged.
            if self.upper.lstat(&path)?.is_none() {
                continue;
            }
            any |= self.entry(&path, entry, below.get(name), found)?;
        }
        Ok(any)
    }

    fn entry(
        &self,
        path: &Path,
        now: &FileEntry,
        before: Option<&FileEntry>,
        found: &mut BTreeMap<PathBuf, Change>,
    ) -> Result<bool, ContainerError> {
        let inside = if now.is_dir() { self.folder(path, found)? } else { false };
        let change = match before {
            None => Change::Added,
            Some(before) if before.is_dir() && now.is_dir() && is_same(before, now) && !inside => return Ok(false),
            Some(_) => Change::Changed,
        };
        if self.made.contains(path) && !inside {
            return Ok(false);
        }
        // A folder looks changed if a mount point was created in it, but that is no change of the container's.
        let holds_mount_point = self.made.iter().any(|made| made.parent() == Some(path));
        if change == Change::Changed && !inside && holds_mount_point {
            return Ok(false);
        }
        found.insert(path.to_owned(), change);
        Ok(true)
    }
}

/// Compares folders as docker does.
fn is_same(before: &FileEntry, now: &FileEntry) -> bool {
    let of = |entry: &FileEntry| (entry.mode, entry.owner, entry.mtime);
    of(before) == of(now)
}
