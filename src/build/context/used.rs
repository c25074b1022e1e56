//! Which files of a context are used: a build that never copies most of it needs a better ignore file.

use std::sync::atomic::{AtomicU64, Ordering};

use super::folders::Folders;

/// The requested files, one bit for each.
#[derive(Debug, Default)]
pub(super) struct Used {
    files: Vec<AtomicU64>,
    bytes: AtomicU64,
}

/// How much of a context was not requested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused {
    pub bytes: u64,
    /// Of how many bytes in total.
    pub total: u64,
    /// The top-level file or folder with most of it, and its size: searched only in a large context.
    pub most: Option<(String, u64)>,
}

/// A smaller context does not matter.
const LARGE: u64 = 100_000_000;

impl Used {
    pub fn new(files: u32) -> Self {
        Self { files: (0..files.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(), bytes: AtomicU64::new(0) }
    }

    pub fn note(&self, file: u32, size: u64) {
        let bit = 1 << (file % 64);
        let Some(word) = self.files.get(file as usize / 64) else { return };
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
    }

    pub fn has(&self, file: u32) -> bool {
        let word = self.files.get(file as usize / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        word >> (file % 64) & 1 == 1
    }

    pub fn rest(&self, folders: &Folders) -> Unused {
        let total = folders.iter().fold(0, |all: u64, folder| all.saturating_add(folder.bytes));
        let bytes = total.saturating_sub(self.bytes.load(Ordering::Relaxed));
        let most = if bytes < LARGE { None } else { self.largest(folders) };
        Unused { bytes, total, most }
    }

    fn largest(&self, folders: &Folders) -> Option<(String, u64)> {
        let mut by_top = std::collections::BTreeMap::<Vec<u8>, u64>::new();
        for folder in folders.iter().filter(|folder| folder.bytes > 0) {
            let top = folder.path.split(|byte| *byte == b'/').next().unwrap_or_default();
            for found in folder.children() {
                if found.file.is_none_or(|file| self.has(file)) {
                    continue;
                }
                let top = if top.is_empty() { found.child.name } else { top };
                *by_top.entry(top.to_vec()).or_default() += found.child.entry.size();
            }
        }
        let (name, bytes) = by_top.into_iter().max_by_key(|(_, bytes)| *bytes)?;
        Some((String::from_utf8_lossy(&name).into_owned(), bytes))
    }
}

impl Unused {
    /// Whether to warn: it is large, and most of the context.
    pub fn matters(&self) -> bool {
        self.bytes >= LARGE && self.bytes >= self.total / 2
    }
}
