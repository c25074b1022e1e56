//! The documents of a cache: the manifest behind its name, and the manifest's config, which lists the records.
//!
//! Both depend only on their content, so nothing is sent if nothing is new.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::blob::{Blob, OutlineRecord};
use super::mount_record::MountRecord;
use crate::base::digest::{BlobDigest, CacheKey, DiffId, TreeDigest};
use crate::image::{Descriptor, Manifest};

pub const ARTIFACT_TYPE: &str = "application/vnd.rbuild.cache.v1";
pub const CONFIG_TYPE: &str = "application/vnd.rbuild.cache.config.v1+json";
/// BuildKit's media type for the config of its own caches.
pub const BUILDKIT_CONFIG_TYPE: &str = "application/vnd.buildkit.cacheconfig.v0";
/// The size limit of a cache's manifest; registries refuse larger ones.
pub const MANIFEST_LIMIT: u64 = 4 << 20;
/// The size limit of a list of records.
pub const CONFIG_LIMIT: u64 = 32 << 20;

const VERSION: u32 = 1;
const DAY: i64 = 24 * 60 * 60;
/// A record that was not exported or used in an export for this long is dropped.
const MOST_DAYS: i64 = 30;
/// Limits the number of layers, so that registries accept the manifest.
const MOST_LAYERS: usize = 8000;
const MOST_OUTLINES: usize = 4000;

/// The content of a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    version: u32,
    /// By step key.
    pub records: BTreeMap<CacheKey, Record>,
    pub layers: BTreeMap<DiffId, Layer>,
    /// The contents of cache mounts, by their IDs in the store.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<String, MountRecord>,
    /// Of base layers, and of large ones that steps made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outlines: BTreeMap<DiffId, OutlineRecord>,
}

/// The result of the step with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub layer: DiffId,
    /// The day when it was last part of an exported build, in days since 1970.
    pub used_day: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    pub tree: TreeDigest,
    /// Size of the uncompressed tar stream, in bytes.
    pub stream_size: u64,
    /// Total size of the files, in bytes.
    pub content_size: u64,
    /// Seconds since 1970.
    pub made_at: i64,
    /// Missing if only the keys of later steps need it: `mode=min` sends only the result's layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Blob>,
}

/// Why bytes are not a valid list of records.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("its list of records cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("its list of records has version {found}: this rbuild reads {VERSION}")]
    Version { found: u32 },
    #[error("the record {key} names a layer that is not listed")]
    NoLayer { key: CacheKey },
}

pub fn today(now: i64) -> i64 {
    now.div_euclid(DAY)
}

impl Document {
    pub fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document: Self = serde_json::from_slice(bytes)?;
        if document.version != VERSION {
            return Err(DocumentError::Version { found: document.version });
        }
        let without = document.records.iter().find(|(_, record)| !document.layers.contains_key(&record.layer));
        match without {
            Some((key, _)) => Err(DocumentError::NoLayer { key: *key }),
            None => Ok(document),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("all keys are texts, and writing to memory does not fail")
    }

    /// The manifest that refers to the list of records and all blobs, which keeps them from being removed.
    pub fn manifest(&self, config: &[u8]) -> Manifest {
        let config = Descriptor::new(CONFIG_TYPE, BlobDigest::of(config), config.len() as u64);
        let blobs = self.blobs().into_iter().map(|blob| blob.descriptor()).collect();
        Manifest { artifact_type: ARTIFACT_TYPE.to_owned(), ..Manifest::new(config, blobs) }
    }

    /// Every blob once, sorted by digest.
    pub fn blobs(&self) -> Vec<Blob> {
        let layers = self.layers.values().filter_map(|layer| layer.blob.clone());
        let mounts = self.mounts.values().flat_map(MountRecord::blobs).cloned();
        let outlines = self.outlines.values().map(|outline| outline.blob.clone());
        let by_digest: BTreeMap<BlobDigest, Blob> =
            layers.chain(mounts).chain(outlines).map(|blob| (blob.digest, blob)).collect();
        by_digest.into_values().collect()
    }

    /// Merges what another builder wrote. The result does not depend on the order: of two records for one key, the one
    /// with the newer layer wins.
    pub fn merge(&mut self, other: Self) {
        for (diff_id, layer) in other.layers {
            match self.layers.get_mut(&diff_id) {
                None => drop(self.layers.insert(diff_id, layer)),
                Some(own) => own.blob = first_blob(own.blob.take(), layer.blob),
            }
        }
        for (key, record) in other.records {
            let layers = &self.layers;
            let order = |record: &Record| (layers.get(&record.layer).map(|layer| layer.made_at), record.layer);
            let used_day = self.records.get(&key).map_or(record.used_day, |own| own.used_day.max(record.used_day));
            let chosen = match self.records.get(&key) {
                Some(own) if order(own) >= order(&record) => own.layer,
                _ => record.layer,
            };
            self.records.insert(key, Record { layer: chosen, used_day });
        }
        for (diff_id, outline) in other.outlines {
            let merged = match self.outlines.remove(&diff_id) {
                Some(own) => {
                    OutlineRecord { blob: own.blob.min(outline.blob), used_day: own.used_day.max(outline.used_day) }
                }
                None => outline,
            };
            self.outlines.insert(diff_id, merged);
        }
        for (id, mount) in other.mounts {
            match self.mounts.get(&id) {
                Some(own) if own.saved_at >= mount.saved_at => {}
                _ => drop(self.mounts.insert(id, mount)),
            }
        }
    }

    /// Removes what was unused for long, the oldest items beyond the limits, and what no record needs any more.
    pub fn prune(&mut self, today: i64) {
        self.records.retain(|_, record| today - record.used_day <= MOST_DAYS);
        self.mounts.retain(|_, mount| today - self::today(mount.saved_at) <= MOST_DAYS);
        self.outlines.retain(|_, outline| today - outline.used_day <= MOST_DAYS);
        self.drop_oldest_outlines();
        self.drop_unneeded_layers();
        if self.layers.len() > MOST_LAYERS {
            let mut by_age: Vec<(i64, CacheKey)> =
                self.records.iter().map(|(key, record)| (record.used_day, *key)).collect();
            by_age.sort_unstable_by(|a, b| b.cmp(a));
            let mut kept = BTreeSet::new();
            for (_, key) in by_age {
                let Some(record) = self.records.get(&key) else { continue };
                if kept.len() < MOST_LAYERS || kept.contains(&record.layer) {
                    kept.insert(record.layer);
                } else {
                    self.records.remove(&key);
                }
            }
            self.drop_unneeded_layers();
        }
    }

    /// Removes what steps made before this second.
    pub fn forget_older(&mut self, than: i64) {
        let layers = &self.layers;
        self.records.retain(|_, record| layers.get(&record.layer).is_some_and(|layer| layer.made_at >= than));
        self.drop_unneeded_layers();
    }

    /// Removes the blobs that are missing.
    pub fn drop_blobs(&mut self, is_missing: impl Fn(&BlobDigest) -> bool) {
        for layer in self.layers.values_mut() {
            layer.blob = layer.blob.take().filter(|blob| !is_missing(&blob.digest));
        }
        self.mounts.retain(|_, mount| !mount.blobs().iter().any(|blob| is_missing(&blob.digest)));
        self.outlines.retain(|_, outline| !is_missing(&outline.blob.digest));
    }

    fn drop_oldest_outlines(&mut self) {
        if self.outlines.len() > MOST_OUTLINES {
            let mut by_age: Vec<(i64, DiffId)> =
                self.outlines.iter().map(|(diff_id, outline)| (outline.used_day, *diff_id)).collect();
            by_age.sort_unstable();
            for (_, diff_id) in &by_age[..by_age.len() - MOST_OUTLINES] {
                self.outlines.remove(diff_id);
            }
        }
    }

    fn drop_unneeded_layers(&mut self) {
        let needed: BTreeSet<DiffId> = self.records.values().map(|record| record.layer).collect();
        self.layers.retain(|diff_id, _| needed.contains(diff_id));
    }
}

/// Chooses between two blobs with the same content, independently of the order.
fn first_blob(one: Option<Blob>, other: Option<Blob>) -> Option<Blob> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(key: u8, diff_id: u8, made_at: i64, day: i64) -> Document {
        let blob = Blob { media_type: "m".to_owned(), digest: BlobDigest::from_bytes([diff_id; 32]), size: 7 };
        let mut document = Document::new();
        let layer = Layer {
            tree: TreeDigest::from_bytes([diff_id; 32]),
            stream_size: 1,
            content_size: 1,
            made_at,
            blob: Some(blob),
        };
        document.layers.insert(DiffId::from_bytes([diff_id; 32]), layer);
        let record = Record { layer: DiffId::from_bytes([diff_id; 32]), used_day: day };
        document.records.insert(CacheKey::from_bytes([key; 32]), record);
        document
    }

    fn merged(one: &Document, other: &Document) -> Document {
        let mut all = one.clone();
        all.merge(other.clone());
        all
    }

    #[test]
    fn a_merge_is_the_same_from_all_sides() {
        let documents =
            [document(1, 1, 10, 5), document(1, 2, 11, 4), document(2, 3, 9, 5), document(1, 3, 9, 6), Document::new()];
        for a in &documents {
            for b in &documents {
                assert_eq!(merged(a, b), merged(b, a));
                let whole = merged(a, b);
                assert!(merged(&whole, a) == whole && merged(&whole, b) == whole);
                for c in &documents {
                    assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
                }
            }
        }
        let both = merged(&documents[0], &documents[1]);
        let record = both.records[&CacheKey::from_bytes([1; 32])];
        assert_eq!((record.layer, record.used_day), (DiffId::from_bytes([2; 32]), 5), "the newest, used by both");
    }

    #[test]
    fn what_is_written_is_read_and_the_same_for_the_same() {
        let both = merged(&document(1, 1, 10, 5), &document(2, 3, 9, 5));
        assert_eq!(Document::parse(&both.to_bytes()).unwrap(), both);
        let other_way = merged(&document(2, 3, 9, 5), &document(1, 1, 10, 5));
        assert_eq!(both.to_bytes(), other_way.to_bytes());
        assert_eq!(both.manifest(b"{}").layers.len(), 2);
    }

    #[test]
    fn what_nobody_used_for_a_month_is_forgotten() {
        let mut both = merged(&document(1, 1, 10, 100), &document(2, 3, 9, 131));
        both.prune(131);
        assert_eq!((both.records.len(), both.layers.len()), (1, 1));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let mut broken = document(1, 1, 1, 1);
        broken.layers.clear();
        for (bytes, why) in [
            (broken.to_bytes(), "not listed"),
            (b"{\"version\":9,\"records\":{},\"layers\":{}}".to_vec(), "version 9"),
            (b"[]".to_vec(), "cannot be read"),
        ] {
            let message = Document::parse(&bytes).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }
}
