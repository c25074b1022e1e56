//! Lists of files with a fingerprint of each, short enough to be stored for every copy.
//!
//! A list has a limited number of entries: in a large tree, deep files are summed up under the folder above them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The maximum number of entries.
const LIMIT: usize = 32 << 10;
/// The size limit of an unpacked list.
const DECODED_LIMIT: usize = 64 << 20;

/// The mode bit of folders, as in stat(2). Lists of earlier versions don't have it.
pub const FOLDER: u32 = 0o040000;

/// A file to add to a list.
#[derive(Debug, Clone)]
pub struct ListedFile<'a> {
    pub path: &'a Path,
    /// The permissions, and [`FOLDER`].
    pub mode: u32,
    pub owner: (u32, u32),
    /// Covers what the file is and contains: kind, bytes, target, attributes.
    pub fingerprint: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    path: PathBuf,
    mode: u32,
    owner: (u32, u32),
    fingerprint: u64,
    /// The entry sums up a folder with everything below it.
    summed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileList {
    entries: Vec<Listed>,
    /// The maximum number of names above an entry; deeper ones are summed up.
    depth: Option<usize>,
}

/// Takes files in the order of a walk: folders before their content.
#[derive(Debug, Default)]
pub struct FileListBuilder {
    list: FileList,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileChangeKind {
    Changed,
    Added,
    Removed,
    Mode { was: u32, now: u32 },
    Owner { was: (u32, u32), now: (u32, u32) },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    pub path: PathBuf,
    pub kind: FileChangeKind,
    /// It stands for everything below it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub folder: bool,
}

/// What differs between two lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// The first changes.
    pub shown: Vec<FileChange>,
    /// How many more there are.
    pub more: usize,
}

impl Listed {
    fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Its part of the sum of the folder that stands for it.
    fn share(&self) -> u64 {
        if self.summed {
            return self.fingerprint;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.path.as_os_str().as_encoded_bytes());
        for number in [self.permissions(), self.owner.0, self.owner.1] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.fingerprint.to_le_bytes());
        first_eight(hasher.finalize().as_bytes())
    }
}

fn first_eight(digest: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

impl FileListBuilder {
    pub fn push(&mut self, file: &ListedFile<'_>) {
        let entry = Listed {
            path: file.path.to_owned(),
            mode: file.mode,
            owner: file.owner,
            fingerprint: file.fingerprint,
            summed: false,
        };
        self.list.take(entry);
        while self.list.entries.len() > LIMIT {
            let deepest = self.list.entries.iter().map(|entry| depth_of(&entry.path)).max().unwrap_or(0);
            self.list.sum_up(deepest.saturating_sub(1));
        }
    }

    pub fn finish(self) -> FileList {
        self.list
    }
}

/// The number of names above it.
fn depth_of(path: &Path) -> usize {
    // The paths of a list are clean: one slash between names, and maybe one in front.
    path.as_os_str().as_encoded_bytes().iter().filter(|byte| **byte == b'/').count()
}

/// Whether the path is in the folder or below it.
fn is_below(path: &Path, folder: &Path) -> bool {
    let folder = folder.as_os_str().as_encoded_bytes();
    let rest = path.as_os_str().as_encoded_bytes().strip_prefix(folder);
    rest.is_some_and(|rest| folder == b"/" || !folder.is_empty() && rest.first() == Some(&b'/'))
}

impl FileList {
    fn take(&mut self, mut entry: Listed) {
        if let Some(depth) = self.depth
            && depth_of(&entry.path) > depth
        {
            let share = entry.share();
            if let Some(last) = self.entries.last_mut()
                && last.summed
                && is_below(&entry.path, &last.path)
            {
                last.fingerprint = last.fingerprint.wrapping_add(share);
                return;
            }
            let folder: PathBuf = entry.path.components().take(depth + 1).collect();
            entry = Listed { path: folder, mode: 0, owner: (0, 0), fingerprint: share, summed: true };
        }
        self.entries.push(entry);
    }

    fn sum_up(&mut self, depth: usize) {
        self.depth = Some(depth);
        for entry in std::mem::take(&mut self.entries) {
            self.take(entry);
        }
        // A flat folder has no subfolders to sum up: its own entry stands for it.
        if depth == 0 && self.entries.len() > LIMIT {
            let sum = self.entries.iter().fold(0, |sum: u64, entry| sum.wrapping_add(entry.share()));
            let all = Listed { path: PathBuf::new(), mode: 0, owner: (0, 0), fingerprint: sum, summed: true };
            self.entries = vec![all];
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let plain = postcard::to_stdvec(self).unwrap_or_default();
        zstd::bulk::compress(&plain, 1).unwrap_or_default()
    }

    /// `None` if the bytes are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(&zstd::bulk::decompress(bytes, DECODED_LIMIT).ok()?).ok()
    }

    /// What differs in `now`.
    pub fn changes(&self, now: &Self, most_shown: usize) -> FileChanges {
        let depth = match (self.depth, now.depth) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let (was, now) = (self.at_depth(depth), now.at_depth(depth));
        let was: BTreeMap<(&Path, bool), &Listed> = by_path(&was);
        let now: BTreeMap<(&Path, bool), &Listed> = by_path(&now);
        let mut found: Vec<FileChange> = Vec::new();
        for (key, entry) in &now {
            found.extend(change(was.get(key).copied(), Some(entry)));
        }
        found.extend(
            was.iter().filter(|(key, _)| !now.contains_key(*key)).filter_map(|(_, entry)| change(Some(entry), None)),
        );
        found.sort_by(|a, b| a.path.cmp(&b.path));
        // A folder that was added or removed stands for everything in it. In sorted order it comes right before its
        // content.
        let mut whole: Option<FileChange> = None;
        found.retain(|file| {
            if whole.as_ref().is_some_and(|above| stands_for(above, file)) {
                return false;
            }
            whole = Some(file.clone());
            true
        });
        let more = found.len().saturating_sub(most_shown);
        found.truncate(most_shown);
        FileChanges { shown: found, more }
    }

    fn at_depth(&self, depth: Option<usize>) -> Vec<Listed> {
        let mut list = self.clone();
        if let Some(depth) = depth.filter(|_| depth != self.depth) {
            list.sum_up(depth);
        }
        list.entries
    }
}

fn by_path(entries: &[Listed]) -> BTreeMap<(&Path, bool), &Listed> {
    entries.iter().map(|entry| ((entry.path.as_path(), entry.summed), entry)).collect()
}

fn stands_for(above: &FileChange, file: &FileChange) -> bool {
    let whole = matches!(above.kind, FileChangeKind::Added | FileChangeKind::Removed);
    whole && above.kind == file.kind && (above.path != file.path || file.below) && file.path.starts_with(&above.path)
}

fn change(was: Option<&Listed>, now: Option<&Listed>) -> Option<FileChange> {
    let (kind, entry) = match (was, now) {
        (None, Some(now)) => (FileChangeKind::Added, now),
        (Some(was), None) => (FileChangeKind::Removed, was),
        (Some(was), Some(now)) if was.fingerprint != now.fingerprint => (FileChangeKind::Changed, now),
        (Some(was), Some(now)) if was.permissions() != now.permissions() => {
            (FileChangeKind::Mode { was: was.permissions(), now: now.permissions() }, now)
        }
        (Some(was), Some(now)) if was.owner != now.owner => {
            (FileChangeKind::Owner { was: was.owner, now: now.owner }, now)
        }
        _ => return None,
    };
    Some(FileChange { path: entry.path.clone(), kind, below: entry.summed, folder: entry.mode & FOLDER != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(files: &[(&str, u32, u64)]) -> FileList {
        let mut builder = FileListBuilder::default();
        for (path, mode, fingerprint) in files {
            builder.push(&ListedFile { path: Path::new(path), mode: *mode, owner: (0, 0), fingerprint: *fingerprint });
        }
        builder.finish()
    }

    #[test]
    fn each_kind_of_change_is_named() {
        let was =
            list(&[("a", 0o644, 1), ("b", 0o644, 2), ("c", 0o644, 3), ("d", FOLDER | 0o755, 0), ("d/x", 0o644, 4)]);
        let now =
            list(&[("a", 0o644, 9), ("b", 0o755, 2), ("c", 0o644, 3), ("e", FOLDER | 0o755, 0), ("e/y", 0o644, 5)]);
        let found = was.changes(&now, 10);
        let folders: Vec<bool> = found.shown.iter().map(|change| change.folder).collect();
        assert_eq!(folders, [false, false, true, true]);
        // A list of an earlier version does not mark folders; that is not a difference.
        let (old, new) = (list(&[("d", 0o755, 0)]), list(&[("d", FOLDER | 0o755, 0)]));
        assert_eq!(old.changes(&new, 10), FileChanges::default());
        let kinds: Vec<(String, FileChangeKind)> =
            found.shown.into_iter().map(|change| (change.path.display().to_string(), change.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("a".to_owned(), FileChangeKind::Changed),
                ("b".to_owned(), FileChangeKind::Mode { was: 0o644, now: 0o755 }),
                ("d".to_owned(), FileChangeKind::Removed),
                ("e".to_owned(), FileChangeKind::Added),
            ]
        );
        assert_eq!(was.changes(&now, 1).more, 3);
        assert_eq!(FileList::from_bytes(&now.to_bytes()), Some(now));
    }

    #[test]
    fn large_trees_are_summed_up_and_still_tell_where() {
        let many = |changed: u64| {
            let mut builder = FileListBuilder::default();
            for folder in 0..40 {
                let name = format!("f{folder:02}");
                builder.push(&ListedFile { path: Path::new(&name), mode: 0o755, owner: (0, 0), fingerprint: 0 });
                for file in 0..1000 {
                    let path = format!("{name}/{file:04}");
                    let fingerprint = if (folder, file) == (7, 5) { changed } else { file };
                    builder.push(&ListedFile { path: Path::new(&path), mode: 0o644, owner: (0, 0), fingerprint });
                }
            }
            builder.finish()
        };
        let (was, now) = (many(1), many(2));
        assert!(was.entries.len() < LIMIT);
        let found = was.changes(&now, 5);
        assert_eq!(
            found.shown,
            [FileChange { path: "f07".into(), kind: FileChangeKind::Changed, below: true, folder: false }]
        );
        assert_eq!(was.changes(&many(1), 5), FileChanges::default());
    }

    #[test]
    fn of_a_large_and_deep_tree_the_folder_is_told() {
        let tree = |changed: &str, renamed: &str| {
            let mut builder = FileListBuilder::default();
            let mut push = |path: &str, mode: u32, fingerprint: u64| {
                builder.push(&ListedFile { path: Path::new(path), mode, owner: (0, 0), fingerprint });
            };
            for package in 0..60 {
                let package = if package == 9 { renamed.to_owned() } else { format!("p{package:02}") };
                push(&package, FOLDER | 0o755, 0);
                for module in 0..50 {
                    let module = format!("{package}/m{module:02}");
                    push(&module, FOLDER | 0o755, 0);
                    for file in 0..20 {
                        let path = format!("{module}/{file:02}");
                        push(&path, 0o644, u64::from(path == changed));
                    }
                }
            }
            builder.finish()
        };
        let was = tree("", "p09");
        let shown = |now: FileList| was.changes(&now, 5).shown.iter().map(FileChange::to_string).collect::<Vec<_>>();
        assert_eq!(shown(tree("p07/m03/11", "p09")), ["something in `p07/m03` changed"]);
        assert_eq!(shown(tree("p59/m49/19", "p09")), ["something in `p59/m49` changed"]);
        assert_eq!(shown(tree("", "p09-new")), ["folder `p09` was removed", "folder `p09-new` was added"]);
    }

    #[test]
    fn a_flat_folder_without_end_is_one_entry() {
        let mut builder = FileListBuilder::default();
        for file in 0..LIMIT as u64 + 10 {
            let path = format!("{file}");
            builder.push(&ListedFile { path: Path::new(&path), mode: 0, owner: (0, 0), fingerprint: file });
        }
        assert!(builder.finish().entries.len() < 20);
    }
}
