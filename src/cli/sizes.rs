//! How much room folders take.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The bytes of all files below, each counted once however many names it has. What can't be read counts nothing.
pub fn folder_size(path: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let files = walkdir::WalkDir::new(path).into_iter().flatten().filter_map(|entry| entry.metadata().ok());
    let first = |metadata: &std::fs::Metadata| metadata.nlink() < 2 || seen.insert((metadata.dev(), metadata.ino()));
    files.filter(|metadata| metadata.is_file()).filter(first).map(|metadata| metadata.len()).sum()
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
