//! Stacks layers: what each one changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layer::{Entry, File, FileKind};

/// A layer's change at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing existed there.
    Added,
    /// Other content, or another file type.
    Changed,
    /// The same content with another owner or mode, or just another time.
    Attributes,
    /// Something existed, and is hidden now.
    Removed,
}

/// A file that a layer contains or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInLayer {
    /// Without a leading slash.
    pub path: PathBuf,
    /// The change.
    pub change: Change,
    /// The file there now.
    pub file: Option<File>,
    /// The file that was there before, and the index of its layer.
    pub below: Option<(usize, File)>,
}

/// The merged layers up to one of them.
#[derive(Debug, Default)]
pub(super) struct Merged {
    files: BTreeMap<PathBuf, (usize, File)>,
}

impl Merged {
    /// Adds a layer on top; returns its changes. Deletions must come first in `entries`.
    pub fn apply(&mut self, layer: usize, entries: Vec<Entry>) -> Vec<FileInLayer> {
        let mut gone: BTreeMap<PathBuf, (usize, File)> = BTreeMap::new();
        let mut done: BTreeMap<PathBuf, FileInLayer> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Deleted(path) => {
                    self.take_below(&path, &mut gone);
                    gone.extend(self.files.remove_entry(&path));
                }
                Entry::Emptied(path) => self.take_below(&path, &mut gone),
                Entry::Is(path, file) => {
                    let before = self.files.get(&path);
                    let was_folder = before.is_some_and(|(_, before)| before.kind == FileKind::Folder);
                    if was_folder && file.kind != FileKind::Folder {
                        self.take_below(&path, &mut gone);
                    }
                    let below = self.files.insert(path.clone(), (layer, file.clone())).or_else(|| gone.remove(&path));
                    if let Some(change) = change(below.as_ref().map(|(_, below)| below), &file) {
                        done.insert(path.clone(), FileInLayer { path, change, file: Some(file), below });
                    }
                }
            }
        }
        let removed = gone.into_iter().filter(|(path, _)| !self.files.contains_key(path));
        let removed = removed.map(|(path, below)| {
            (path.clone(), FileInLayer { path, change: Change::Removed, file: None, below: Some(below) })
        });
        done.extend(removed.collect::<Vec<_>>());
        done.into_values().collect()
    }

    fn take_below(&mut self, folder: &Path, gone: &mut BTreeMap<PathBuf, (usize, File)>) {
        let inside = self.files.range(folder.to_owned()..).map(|(path, _)| path);
        let inside: Vec<PathBuf> =
            inside.take_while(|path| path.starts_with(folder)).filter(|path| *path != folder).cloned().collect();
        for path in inside {
            gone.extend(self.files.remove_entry(&path));
        }
    }

    /// The files that are visible in the end.
    pub fn visible(self) -> BTreeMap<PathBuf, (usize, File)> {
        self.files
    }
}

/// `None` for a folder that a layer only contains because something in it changes.
fn change(below: Option<&File>, file: &File) -> Option<Change> {
    let Some(below) = below else { return Some(Change::Added) };
    if !file.has_same_content(below) {
        return Some(Change::Changed);
    }
    let is_same = (below.mode, below.owner) == (file.mode, file.owner);
    (file.kind != FileKind::Folder || !is_same).then_some(Change::Attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::ContentDigest;

    fn file(path: &str, content: u8, owner: u32) -> Entry {
        let digest = Some(ContentDigest::from_bytes([content; 32]));
        let file = File { kind: FileKind::Regular, bytes: 10, node: 0, mode: 0o644, owner: (owner, 0), digest };
        Entry::Is(path.into(), file)
    }

    fn folder(path: &str) -> Entry {
        let file = File { kind: FileKind::Folder, bytes: 0, node: 0, mode: 0o755, owner: (0, 0), digest: None };
        Entry::Is(path.into(), file)
    }

    fn shown(changes: &[FileInLayer]) -> Vec<(String, Change)> {
        changes.iter().map(|one| (one.path.display().to_string(), one.change)).collect()
    }

    #[test]
    fn layers_change_what_is_below() {
        let mut merged = Merged::default();
        merged.apply(0, vec![folder("d"), file("d/a", 1, 0), file("d/b", 2, 0), file("d.x", 3, 0), file("e", 4, 0)]);
        let second = merged.apply(
            1,
            vec![Entry::Deleted("e".into()), folder("d"), file("d/a", 1, 7), file("d/b", 9, 0), file("new", 5, 0)],
        );
        let path = |path: &str, change| (path.to_owned(), change);
        let wanted = [
            path("d/a", Change::Attributes),
            path("d/b", Change::Changed),
            path("e", Change::Removed),
            path("new", Change::Added),
        ];
        assert_eq!(shown(&second), wanted);
        // A folder that hides what is below it, but contains one of the files again; and a file that replaces a folder.
        let third = merged.apply(2, vec![Entry::Emptied("d".into()), folder("d"), file("d/a", 1, 7)]);
        assert_eq!(shown(&third), [path("d/a", Change::Attributes), path("d/b", Change::Removed)]);
        let fourth = merged.apply(3, vec![file("d", 6, 0)]);
        assert_eq!(shown(&fourth), [path("d", Change::Changed), path("d/a", Change::Removed)]);
        let visible: Vec<_> = merged.visible().into_keys().map(|path| path.display().to_string()).collect();
        assert_eq!(visible, ["d", "d.x", "new"]);
    }
}
