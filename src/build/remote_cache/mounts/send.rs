//! Sends the contents of cache mounts to a cache.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::index::{Head, Index};
use super::pack::{Known, Packed, Packer, send_bytes};
use super::split::Splitter;
use crate::base::digest::{BlobDigest, DiffId};
use crate::base::io_error::AtPath;
use crate::build::remote_cache::blob::Blob;
use crate::build::remote_cache::document::{Document, today};
use crate::build::remote_cache::export::{ExportError, MountContents};
use crate::build::remote_cache::mount_record::MountRecord;
use crate::build::remote_cache::place::{Place, PlaceError, read_bounded};
use crate::image::layer::{NothingKnown, encode};
use crate::store::{Store, now};

pub const INDEX_TYPE: &str = "application/vnd.rbuild.cache.mount.index.v1";
/// The size limit of an index.
pub const INDEX_LIMIT: u64 = 256 << 20;
/// If less than this part of a pack is still used, the pack is dropped, and its used chunks are sent again.
const LEAST_USE: f64 = 0.5;

/// The cache mounts that a build used.
pub struct Mounts<'a> {
    pub store: &'a Store,
    /// The names of their folders in the store.
    pub names: &'a BTreeSet<String>,
    /// Receives messages about mounts that are in use.
    pub note: &'a (dyn Fn(&str) + Sync),
}

impl MountContents for Mounts<'_> {
    fn send(&self, place: &dyn Place, previous: &Document, document: &mut Document) -> Result<(), ExportError> {
        for name in self.names {
            let folder = self.store.root().join("caches").join(name);
            let data = folder.join("data-0");
            let Ok(lock) = File::open(folder.join("lock-0")) else { continue };
            if !data.is_dir() {
                continue;
            }
            // The content is incomplete while another build writes to it.
            if lock.try_lock().is_err() {
                (self.note)(&format!("the cache mount {} is in use and is not sent", &name[..name.len().min(12)]));
                continue;
            }
            let record = send_one(place, previous.mounts.get(name), &data)?;
            document.mounts.insert(name.clone(), record);
        }
        Ok(())
    }
}

fn send_one(place: &dyn Place, previous: Option<&MountRecord>, data: &Path) -> Result<MountRecord, ExportError> {
    let mut known = previous.map(|record| known_chunks(place, record)).unwrap_or_default();
    loop {
        let (packed, stream) = pack(place, &known, data)?;
        let wasteful = wasteful_packs(&packed);
        if !wasteful.is_empty() {
            known = locations(&packed.head, &packed.packs);
            known.retain(|_, (blob, ..)| !wasteful.contains(&blob.digest));
            continue;
        }
        // Saved again every day, so that it does not count as unused.
        let is_fresh = |record: &&MountRecord| today(record.saved_at) == today(now());
        let index = send_bytes(place, INDEX_TYPE, packed.index)?;
        if let Some(same) = previous.filter(is_fresh).filter(|record| record.index == index) {
            return Ok(same.clone());
        }
        // Later than the previous one, even if clocks differ: the latest counts.
        let saved_at = previous.map_or(now(), |previous| now().max(previous.saved_at + 1));
        return Ok(MountRecord { saved_at, stream, index, packs: packed.packs });
    }
}

/// Reads the folder once and sends the unknown chunks.
fn pack(place: &dyn Place, known: &Known, data: &Path) -> Result<(Packed, DiffId), ExportError> {
    let unreadable =
        |source: std::io::Error| PlaceError::Content { digest: BlobDigest::of(b""), source: source.into() };
    let mut packer = Packer::new(place, known).map_err(unreadable)?;
    let mut splitter = Splitter::new(&mut packer);
    let encoded = encode(data, &mut splitter, &NothingKnown);
    let ended = splitter.finish().map(drop);
    if let Some(failure) = packer.failure.take() {
        return Err(failure.into());
    }
    ended.map_err(unreadable)?;
    let encoded =
        encoded.map_err(|source| PlaceError::Content { digest: BlobDigest::of(b""), source: source.into() })?;
    let metadata = std::fs::metadata(data).at("read", data).map_err(PlaceError::Io)?;
    let packed = packer.finish((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()))?;
    Ok((packed, encoded.diff_id))
}

/// The chunks of the content that are already in the cache. Unreadable ones are unknown.
fn known_chunks(place: &dyn Place, record: &MountRecord) -> Known {
    let read = || -> Option<Known> {
        let bytes =
            read_bounded(place.open_blob(&record.index.digest).ok()?, "the index of a mount", INDEX_LIMIT).ok()?;
        if BlobDigest::of(&bytes) != record.index.digest {
            return None;
        }
        let index = Index::parse(&bytes).ok()?;
        let mut known = locations(&index.head, &record.packs);
        let is_there = |blob: &Blob| place.blob_size(&blob.digest).ok().flatten() == Some(blob.size);
        let there: BTreeSet<BlobDigest> =
            record.packs.iter().filter(|blob| is_there(blob)).map(|blob| blob.digest).collect();
        known.retain(|_, (blob, ..)| there.contains(&blob.digest));
        Some(known)
    };
    read().unwrap_or_default()
}

fn locations(head: &Head, packs: &[Blob]) -> Known {
    let by_digest: HashMap<[u8; 32], &Blob> = packs.iter().map(|blob| (*blob.digest.as_bytes(), blob)).collect();
    let location = |chunk: &super::index::Chunk| {
        let (digest, _) = head.packs.get(chunk.pack as usize)?;
        let blob = *by_digest.get(digest)?;
        Some((chunk.digest, (blob.clone(), chunk.offset, chunk.stored, chunk.length)))
    };
    head.chunks.iter().filter_map(location).collect()
}

/// Packs of which only a small part is used.
fn wasteful_packs(packed: &Packed) -> BTreeSet<BlobDigest> {
    let mut used = vec![0_u64; packed.packs.len()];
    for chunk in &packed.head.chunks {
        if let Some(used) = used.get_mut(chunk.pack as usize) {
            *used += u64::from(chunk.stored);
        }
    }
    let is_wasteful = |(blob, used): &(&Blob, &u64)| (**used as f64) < blob.size as f64 * LEAST_USE;
    packed.packs.iter().zip(&used).filter(is_wasteful).map(|(blob, _)| blob.digest).collect()
}
