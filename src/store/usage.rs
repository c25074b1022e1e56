//! Disk usage. A file with several names counts with a share for each of them, so that the sum is the disk usage,
//! though layers share files.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::FileType;

use super::{Reader, StoreError, kept_steps};
use crate::base::digest::{BlobDigest, DiffId};
use crate::base::foreign::{self, Stat};
use crate::base::io_error::AtPath;

/// The size of each thing in the store.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// The folders of layers, with their bytes.
    pub layers: BTreeMap<DiffId, u64>,
    /// The blobs, with their bytes.
    pub blobs: BTreeMap<BlobDigest, u64>,
    /// By folder of the store (`containers`, `volumes`, `caches`) and the name in it.
    pub others: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// The database, the locks, the build history (`history`), and what is being written.
    pub rest: u64,
}

const OTHERS: [&str; 9] =
    ["containers", "volumes", "caches", "downloads", "checkouts", "contexts", "copies", "outlines", kept_steps::FOLDER];

impl Usage {
    /// Bytes of all.
    pub fn total(&self) -> u64 {
        let others = self.others.values().flat_map(BTreeMap::values).sum::<u64>();
        self.layers.values().sum::<u64>() + self.blobs.values().sum::<u64>() + others + self.rest
    }

    /// What one folder of the store has, by name.
    pub fn of(&self, folder: &str) -> &BTreeMap<String, u64> {
        static NOTHING: BTreeMap<String, u64> = BTreeMap::new();
        self.others.get(folder).unwrap_or(&NOTHING)
    }
}

impl Reader {
    /// Reads the size of every file.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        for entry in std::fs::read_dir(&self.root).at("read", &self.root)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let known = OTHERS.into_iter().find(|other| *other == name);
            match (name.as_ref(), known) {
                ("layers", _) => {
                    usage.layers = parsed(children(&entry.path()), "sha256:", &mut usage.rest);
                }
                ("blobs", _) => {
                    usage.blobs = parsed(children(&entry.path().join("sha256")), "sha256:", &mut usage.rest);
                }
                (_, Some(known)) => drop(usage.others.insert(known, children(&entry.path()))),
                _ => usage.rest += disk_usage(&entry.path()),
            }
        }
        Ok(usage)
    }

    /// Bytes that are free on the store's disk for ordinary users.
    pub fn free_space(&self) -> Result<u64, StoreError> {
        let status = rustix::fs::statvfs(&self.root).at("look up the filesystem of", &self.root)?;
        Ok(status.f_bavail * status.f_frsize)
    }
}

fn children(folder: &Path) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), disk_usage(&entry.path()))).collect()
}

/// Those whose names are digests; others are counted elsewhere.
fn parsed<D: std::str::FromStr + Ord>(named: BTreeMap<String, u64>, prefix: &str, rest: &mut u64) -> BTreeMap<D, u64> {
    let mut digests = BTreeMap::new();
    for (name, bytes) in named {
        match format!("{prefix}{name}").parse() {
            Ok(digest) => drop(digests.insert(digest, bytes)),
            Err(_) => *rest += bytes,
        }
    }
    digests
}

/// The blocks of a tree. Whatever vanishes meanwhile takes no space.
pub fn disk_usage(path: &Path) -> u64 {
    // In 512ths of a block, so that the shares add up.
    let mut shares: u128 = 0;
    let mut add = |stat: &Stat| {
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let names = if is_folder { 1 } else { u128::from(stat.st_nlink).max(1) };
        shares += u128::try_from(stat.st_blocks).unwrap_or(0) * 512 * 512 / names;
    };
    let _ = foreign::visit_tree(path, &mut add);
    u64::try_from(shares / 512).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_share_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        std::fs::create_dir(&two).unwrap();
        let empty = disk_usage(&one);
        std::fs::write(one.join("f"), vec![1; 64 << 10]).unwrap();
        let alone = disk_usage(&one);
        assert!(alone >= empty + (64 << 10));
        std::fs::hard_link(one.join("f"), two.join("f")).unwrap();
        assert_eq!(disk_usage(&one) - empty, (alone - empty) / 2);
        assert_eq!(disk_usage(&one), disk_usage(&two));
    }
}
