//! Compressed copies: blobs of layers that can be reproduced without them. They only save the time to compress again:
//! the same stream always compresses to the same bytes.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use super::{CacheItem, Store, StoreError, Usage};
use crate::base::digest::{BlobDigest, DiffId};
use crate::image::Manifest;

/// The size limit of a manifest.
const MANIFEST_LIMIT: u64 = 16 << 20;

/// A blob that was compressed from a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompressedCopy {
    /// The layer.
    pub diff_id: DiffId,
    /// The blob.
    pub blob: BlobDigest,
}

impl Store {
    /// The copies that can be removed without loss: a step made the layer here, or another blob has it. A blob that is
    /// named by the manifest with which an image came is not a copy: another program may have compressed it.
    pub fn compressed_copies(&self) -> Result<Vec<CompressedCopy>, StoreError> {
        let blobs = self.blobs_by_layer()?;
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let named = self.blobs_of_manifests()?;
        let mut copies = Vec::new();
        for ((diff_id, is_built), blobs) in blobs {
            let is_made_here = is_built && self.layer_path(&diff_id).is_dir();
            let has_named = blobs.iter().any(|blob| named.contains(blob) && self.has_blob(blob));
            let plain = BlobDigest::from(diff_id);
            let has_plain = blobs.contains(&plain) && self.has_blob(&plain);
            let is_copy =
                |blob: &BlobDigest| !named.contains(blob) && (is_made_here || has_named || has_plain && *blob != plain);
            copies.extend(blobs.into_iter().filter(is_copy).map(|blob| CompressedCopy { diff_id, blob }));
        }
        Ok(copies)
    }

    /// The blobs of each layer, and whether a step made it here.
    fn blobs_by_layer(&self) -> Result<BTreeMap<(DiffId, bool), Vec<BlobDigest>>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT layer_blobs.diff_id, layers.built IS 1, layer_blobs.digest FROM layer_blobs LEFT JOIN layers
             ON layers.diff_id = layer_blobs.diff_id AND (layers.boot IS NULL OR layers.boot = ?1)",
        )?;
        let mut rows = statement.query([&self.boot])?;
        let mut blobs: BTreeMap<_, Vec<BlobDigest>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let layer = (DiffId::from_bytes(row.get(0)?), row.get(1)?);
            blobs.entry(layer).or_default().push(BlobDigest::from_bytes(row.get(2)?));
        }
        Ok(blobs)
    }

    fn blobs_of_manifests(&self) -> Result<HashSet<BlobDigest>, StoreError> {
        let mut named = HashSet::new();
        for digest in self.images()?.into_iter().filter_map(|image| image.manifest) {
            // An unreadable one can't restore anything.
            let bytes = self.read_blob(&digest, MANIFEST_LIMIT).unwrap_or_default();
            let manifest = serde_json::from_slice::<Manifest>(&bytes);
            named.extend(manifest.iter().flat_map(|manifest| manifest.layers.iter().map(|layer| layer.digest)));
        }
        Ok(named)
    }

    /// The same as items of the build cache.
    pub(super) fn compressed_items(
        &self,
        copies: &[CompressedCopy],
        usage: &Usage,
    ) -> Result<Vec<CacheItem>, StoreError> {
        let mut items = Vec::new();
        for copy in copies {
            let Some(size) = usage.blobs.get(&copy.blob) else { continue };
            let status = std::fs::metadata(self.blob_path(&copy.blob));
            let used_at = status.as_ref().map_or(0, |status| status.mtime());
            let what = super::CacheContent::Compressed(*copy);
            let in_use = self.claim(copy.diff_id.as_bytes())?.is_none();
            items.push(CacheItem { what, size: *size, created_at: used_at, used_at, in_use, shared: false });
        }
        Ok(items)
    }

    /// Removes the copy, unless a process uses its layer or it turns out to be needed.
    pub fn remove_compressed_copy(&self, copy: &CompressedCopy) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(copy.diff_id.as_bytes())? else { return Ok(false) };
        if !self.compressed_copies()?.contains(copy) {
            return Ok(false);
        }
        self.database().execute(
            "DELETE FROM layer_blobs WHERE diff_id = ?1 AND digest = ?2",
            [copy.diff_id.as_bytes(), copy.blob.as_bytes()],
        )?;
        self.remove_unused_blob(&copy.blob)
    }

    /// Records that the blob was used now: the least recently used is removed first.
    pub fn touch_blob(&self, digest: &BlobDigest) {
        // If this fails, the blob only looks older and is removed earlier.
        let _ = std::fs::File::open(self.blob_path(digest)).and_then(|file| file.set_modified(SystemTime::now()));
    }
}
