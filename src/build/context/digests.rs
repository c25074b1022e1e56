//! The digests of a context's regular files, by file number.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::base::digest::ContentDigest;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub digest: ContentDigest,
    /// A later change of the file will change its ctime.
    pub settled: bool,
}

#[derive(Debug, Default)]
pub(super) struct Digests {
    known: Vec<OnceLock<ContentDigest>>,
    /// Files that may change without a change of ctime: they were written a moment ago.
    unsettled: Mutex<HashSet<u32>>,
}

impl Digests {
    /// Makes room for this many files.
    pub fn new(files: u32) -> Self {
        Self { known: (0..files).map(|_| OnceLock::new()).collect(), unsettled: Mutex::default() }
    }

    pub fn get(&self, file: u32) -> Option<Known> {
        let digest = *self.digest(file)?;
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Known { digest, settled: !unsettled.contains(&file) })
    }

    pub fn digest(&self, file: u32) -> Option<&ContentDigest> {
        self.known.get(file as usize)?.get()
    }

    /// Stores the remembered digest of a file, which is settled.
    pub fn remember(&self, file: u32, digest: ContentDigest) {
        if let Some(place) = self.known.get(file as usize) {
            let _ = place.set(digest);
        }
    }

    /// Stores the digest of the file, unless there is one already, and returns the stored one.
    pub fn keep(&self, file: u32, known: Known) -> Known {
        // Noted before the digest is stored, so that an unsettled one is never seen as settled.
        if !known.settled && self.digest(file).is_none() {
            self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
        }
        self.remember(file, known.digest);
        self.get(file).unwrap_or(known)
    }
}
