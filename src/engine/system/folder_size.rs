//! The sizes of folders.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::FileType;

use crate::base::foreign::{self, Stat};

/// The total size of all files below, counting hard links once. Unreadable files are skipped.
pub fn folder_size(path: &Path) -> u64 {
    let (mut seen, mut size) = (BTreeSet::new(), 0);
    let mut add = |stat: &Stat| {
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && (stat.st_nlink < 2 || seen.insert((stat.st_dev, stat.st_ino))) {
            size += u64::try_from(stat.st_size).unwrap_or(0);
        }
    };
    let _ = foreign::visit_tree(path, &mut add);
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_files_count_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "12345").unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::hard_link(folder.path().join("a"), folder.path().join("d/b")).unwrap();
        std::fs::write(folder.path().join("d/c"), "12").unwrap();
        assert_eq!(folder_size(folder.path()), 7);
    }
}
