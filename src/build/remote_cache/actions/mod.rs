//! A cache in GitHub's cache of actions, in version 2 of its service.
//!
//! GitHub limits the number of requests, and entries cannot be overwritten. So an export makes one entry, whose single
//! blob has everything new: a head, which lists where each blob of the cache is, and the blobs that no earlier entry
//! has. Its key ends with an increasing number; readers request the newest entry.

mod entry;
mod error;
mod options;
mod service;
mod staged;

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::place::{BlobContent, Place, PlaceError};
use crate::base::digest::BlobDigest;
use crate::image::{Descriptor, Manifest};
use entry::{Head, Location};
use service::Service;
use staged::Staged;

pub use error::ActionsError;
pub use options::ActionsOptions;

/// How many numbers are tried if other builders take them first.
const MOST_TAKEN: u64 = 10;
/// Reads from at most this many entries: what is in older ones is sent again.
const MOST_ENTRIES: usize = 12;

pub struct Actions {
    options: ActionsOptions,
    service: Service,
    state: Mutex<State>,
    /// Held while the newest entry is read, so that concurrent requests for blobs read it once.
    reading: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The locations of all blobs that were read or written.
    known: HashMap<BlobDigest, Location>,
    /// The number of the newest entry in this job's own scope.
    newest: u64,
    was_read: bool,
    /// The download addresses of requested entries; `None` for those that are gone.
    addresses: HashMap<String, Option<String>>,
    staged: Staged,
}

impl Actions {
    pub fn new(options: ActionsOptions) -> Result<Self, ActionsError> {
        let service = Service::new(&options)?;
        Ok(Self { options, service, state: Mutex::default(), reading: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the head of the newest entry in the job's own scope, or else in those that it may read.
    fn read_newest(&self, limit: u64) -> Result<Option<Head>, ActionsError> {
        let scopes = self.options.scopes();
        for (index, scope) in scopes.iter().enumerate() {
            let prefix = self.options.prefix(scope);
            let Some(found) = self.service.newest(&prefix)? else { continue };
            let (head, start) = self.service.head(&found.address, limit)?;
            let mut state = self.state();
            if index == 0 {
                state.newest = state.newest.max(entry::number(&found.key, &prefix));
            }
            state.was_read = true;
            for (digest, location) in head.locations(&found.key, start) {
                state.known.insert(digest, location);
            }
            state.forget_oldest();
            state.addresses.insert(found.key, Some(found.address));
            return Ok(Some(head));
        }
        self.state().was_read = true;
        Ok(None)
    }

    fn read_once(&self) -> Result<(), ActionsError> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let was_read = self.state().was_read;
        if !was_read {
            self.read_newest(super::document::MANIFEST_LIMIT)?;
        }
        Ok(())
    }

    /// The download address of the entry; `None` if it is gone.
    fn address(&self, key: &str) -> Result<Option<String>, ActionsError> {
        if let Some(known) = self.state().addresses.get(key) {
            return Ok(known.clone());
        }
        let found = self.service.exactly(key)?.map(|found| found.address);
        self.state().addresses.insert(key.to_owned(), found.clone());
        Ok(found)
    }

    /// The location of a blob, if its entry still exists.
    fn location(&self, digest: &BlobDigest) -> Result<Option<(Location, String)>, ActionsError> {
        let Some(location) = self.state().known.get(digest).cloned() else { return Ok(None) };
        let address = self.address(&location.entry)?;
        if address.is_none() {
            self.state().known.retain(|_, other| other.entry != location.entry);
        }
        Ok(address.map(|address| (location, address)))
    }
}

impl State {
    /// Keeps only the blobs of the newest entries.
    fn forget_oldest(&mut self) {
        let number = |key: &str| key.rsplit_once('#').and_then(|(_, number)| number.parse::<u64>().ok()).unwrap_or(0);
        let mut entries: Vec<&str> = self.known.values().map(|location| location.entry.as_str()).collect();
        entries.sort_unstable_by_key(|key| std::cmp::Reverse(number(key)));
        entries.dedup();
        let kept: Vec<String> = entries.into_iter().take(MOST_ENTRIES).map(str::to_owned).collect();
        self.known.retain(|_, location| kept.contains(&location.entry));
    }
}

impl Place for Actions {
    fn shown(&self) -> String {
        self.options.shown()
    }

    fn source(&self) -> String {
        self.options.source()
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        Ok(self.read_newest(limit)?.map(|head| head.manifest.into_bytes()))
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        if let Some(size) = self.state().staged.size(digest) {
            return Ok(Some(size));
        }
        Ok(self.location(digest)?.map(|(location, _)| location.size))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        if let Some(staged) = self.state().staged.open(digest)? {
            return Ok(staged);
        }
        self.read_once()?;
        let (location, address) = self.location(digest)?.ok_or(PlaceError::NoBlob { digest: *digest })?;
        match self.service.open(&address, location.offset, location.size) {
            // The address is valid only for a few minutes.
            Err(ActionsError::Status { status: 401 | 403, .. }) => {
                self.state().addresses.remove(&location.entry);
                let address = self.address(&location.entry)?.ok_or(PlaceError::NoBlob { digest: *digest })?;
                Ok(self.service.open(&address, location.offset, location.size)?)
            }
            opened => Ok(opened?),
        }
    }

    /// GitHub removes entries that were unused for a week, and the oldest ones beyond the size limit.
    fn has_forgotten(&self, digest: &BlobDigest) -> bool {
        matches!(self.location(digest), Ok(None))
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let reader = content().map_err(|source| PlaceError::Content { digest: blob.digest, source })?;
        // Blobs are compressed in parallel, but written one after the other.
        self.state().staged.add(blob, reader)
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        let manifest: Option<Manifest> = serde_json::from_slice(bytes).ok();
        let wanted = manifest.iter().flat_map(|manifest| manifest.layers.iter().chain([&manifest.config]));
        let wanted: Vec<BlobDigest> = wanted.map(|blob| blob.digest).collect();
        let mut state = self.state();
        let head = Head::new(bytes, &wanted, &state.known, state.staged.blobs());
        let prefix = self.options.prefix(&self.options.scopes()[0]);
        for number in state.newest + 1..=state.newest + MOST_TAKEN {
            let key = format!("{prefix}{number}");
            let Some(address) = self.service.create(&key)? else { continue };
            let start = head.bytes();
            let size = self.service.upload(&address, &start, &mut state.staged)?;
            self.service.finish(&key, size)?;
            state.newest = number;
            state.addresses.remove(&key);
            let known: Vec<_> = state.staged.locations(&key, start.len() as u64).collect();
            state.known.extend(known);
            state.staged = Staged::default();
            return Ok(());
        }
        Err(ActionsError::Taken { prefix }.into())
    }
}
