//! All folders of a context.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::folder::{Folder, FolderBuilder, Found};
use super::order::compare;

/// Sorted by path, a folder before those in it.
#[derive(Debug, Default)]
pub(super) struct Folders {
    folders: Vec<Folder>,
    files: u32,
    /// The folder of the last lookup.
    last: AtomicUsize,
}

impl Folders {
    /// Takes the folders in any order. Removes those that exist only for their content and are empty.
    pub fn of(mut folders: Vec<Folder>) -> Self {
        folders.sort_unstable_by(|left, right| compare(&left.path, &right.path));
        if folders.iter().any(|folder| folder.is_excluded) {
            prune(&mut folders);
        }
        let mut files = 0;
        for folder in &mut folders {
            folder.first_file = files;
            files += folder.files;
        }
        Self { folders, files, last: AtomicUsize::new(0) }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Folder> {
        self.folders.iter()
    }

    /// The number of regular files; they are numbered from 0.
    pub fn files(&self) -> u32 {
        self.files
    }

    pub fn folder(&self, path: &[u8]) -> Option<&Folder> {
        let last = self.folders.get(self.last.load(Ordering::Relaxed));
        if let Some(last) = last.filter(|last| *last.path == *path) {
            return Some(last);
        }
        let index = self.folders.binary_search_by(|folder| compare(&folder.path, path)).ok()?;
        self.last.store(index, Ordering::Relaxed);
        self.folders.get(index)
    }

    /// The entry at `path`; the root has none.
    pub fn find(&self, path: &Path) -> Option<Found<'_>> {
        let (parent, name) = split(path.as_os_str().as_bytes());
        self.folder(parent)?.find(name)
    }

    /// The regular file with that number, and its path.
    pub fn file(&self, number: u32) -> Option<(PathBuf, Found<'_>)> {
        let after = self.folders.partition_point(|folder| folder.first_file <= number);
        // Of several folders with the same first number, only the last has files.
        let folder = self.folders.get(after.checked_sub(1)?)?;
        let found = folder.file(number)?;
        let mut path = PathBuf::from(OsStr::from_bytes(&folder.path));
        path.push(OsStr::from_bytes(found.child.name));
        Some((path, found))
    }
}

/// Removes excluded folders without content, deepest first.
fn prune(folders: &mut Vec<Folder>) {
    // The removed names, by the folder that contains them.
    let mut gone: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for folder in folders.iter_mut().rev() {
        if let Some(names) = gone.remove(&*folder.path) {
            let mut rest = FolderBuilder::new(&folder.path, folder.is_excluded);
            let kept = folder.children().filter(|found| !names.contains(found.child.name));
            kept.for_each(|found| rest.push(&found.child));
            *folder = rest.finish();
        }
        if folder.is_excluded && folder.is_empty() {
            let (parent, name) = split(&folder.path);
            gone.entry(parent.to_vec()).or_default().insert(name.to_vec());
        }
    }
    folders.retain(|folder| !folder.is_excluded || !folder.is_empty());
}

/// The folder and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
