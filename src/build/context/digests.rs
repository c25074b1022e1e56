//! The digests of a context's regular files, by their numbers.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::base::digest::ContentDigest;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub digest: ContentDigest,
    /// A later change of the file will show in its ctime.
    pub settled: bool,
}

#[derive(Debug, Default)]
pub(super) struct Digests {
    known: Vec<OnceLock<ContentDigest>>,
    /// The files that may change without a trace: those that were written a moment ago.
    unsettled: Mutex<HashSet<u32>>,
}

impl Digests {
    /// Room for so many.
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

    /// Keeps what is remembered of the file, which is settled.
    pub fn remember(&self, file: u32, digest: ContentDigest) {
        if let Some(place) = self.known.get(file as usize) {
            let _ = place.set(digest);
        }
    }

    /// Keeps what was learnt first of the file, and gives that.
    pub fn keep(&self, file: u32, known: Known) -> Known {
        // Said before the digest is there, so that nobody sees an unsettled one as settled.
        if !known.settled && self.digest(file).is_none() {
            self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
        }
        self.remember(file, known.digest);
        self.get(file).unwrap_or(known)
    }
}
