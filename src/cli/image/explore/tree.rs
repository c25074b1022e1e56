//! A tree of files, whose folders can be opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::engine::contents::Change;

/// A file or folder.
#[derive(Debug, Default, Clone)]
pub(super) struct Node {
    /// The total size of its content.
    pub bytes: u64,
    pub change: Option<Change>,
    pub children: BTreeMap<String, Node>,
    is_folder: bool,
}

/// A visible line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub path: PathBuf,
    pub name: String,
    pub depth: usize,
    pub bytes: u64,
    pub change: Option<Change>,
    pub is_folder: bool,
    pub is_open: bool,
}

impl Node {
    /// Adds a file; its size is added to all folders above.
    pub fn add(&mut self, path: &Path, bytes: u64, change: Option<Change>, is_folder: bool) {
        self.bytes += bytes;
        self.is_folder = true;
        let mut names = path.components();
        let Some(first) = names.next() else { return };
        let child = self.children.entry(first.as_os_str().to_string_lossy().into_owned()).or_default();
        let rest = names.as_path();
        if rest.as_os_str().is_empty() {
            child.bytes += bytes;
            child.change = change;
            child.is_folder |= is_folder;
        } else {
            child.add(rest, bytes, change, is_folder);
        }
    }

    /// The visible lines with these open folders: sorted by size, largest first, or by name.
    pub fn rows(&self, open: &BTreeSet<PathBuf>, by_size: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        self.collect(Path::new(""), (open, by_size), 0, &mut rows);
        rows
    }

    fn collect(&self, folder: &Path, how: (&BTreeSet<PathBuf>, bool), depth: usize, rows: &mut Vec<Row>) {
        let mut children: Vec<(&String, &Self)> = self.children.iter().collect();
        if how.1 {
            children.sort_by_key(|(_, child)| std::cmp::Reverse(child.bytes));
        }
        for (name, child) in children {
            let path = folder.join(name);
            let is_open = how.0.contains(&path);
            rows.push(Row {
                name: name.clone(),
                depth,
                bytes: child.bytes,
                change: child.change,
                is_folder: child.is_folder,
                is_open,
                path: path.clone(),
            });
            if is_open {
                child.collect(&path, how, depth + 1, rows);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sum_up_and_open() {
        let mut root = Node::default();
        root.add(Path::new("a"), 1, None, false);
        root.add(Path::new("d"), 0, None, true);
        root.add(Path::new("d/x"), 5, Some(Change::Added), false);
        root.add(Path::new("d/y"), 7, None, false);
        let names = |rows: &[Row]| rows.iter().map(|row| (row.name.clone(), row.bytes)).collect::<Vec<_>>();
        let closed = root.rows(&BTreeSet::new(), true);
        assert_eq!(names(&closed), [("d".to_owned(), 12), ("a".to_owned(), 1)]);
        let open = root.rows(&BTreeSet::from(["d".into()]), false);
        assert_eq!(open.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["a", "d", "x", "y"]);
        assert!(open[1].is_folder && open[1].is_open && open[2].depth == 1);
    }
}
