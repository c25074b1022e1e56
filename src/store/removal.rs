//! Removes layers and blobs that nothing needs any longer.

use std::collections::{HashMap, HashSet};

use rusqlite::OptionalExtension as _;

use super::leases::Claim;
use super::{Reader, Store, StoreError};
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::ImageConfig;

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Layers that nobody uses, and that nobody can start to use before they are removed or found to be needed.
pub struct ClaimedLayers<'a> {
    store: &'a Store,
    layers: Vec<(DiffId, Claim<'a>)>,
}

impl Reader {
    /// The base of this layer, trusted or not.
    fn base_of(&self, diff_id: &DiffId) -> Result<Option<DiffId>, StoreError> {
        let database = self.database();
        let mut statement =
            database.prepare_cached("SELECT base FROM layers WHERE diff_id = ?1 AND base IS NOT NULL")?;
        Ok(statement.query_row([diff_id.as_bytes()], |row| row.get(0)).optional()?.map(DiffId::from_bytes))
    }

    /// Which layers are bases of which.
    pub(super) fn layers_by_base(&self) -> Result<HashMap<DiffId, Vec<DiffId>>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT base, diff_id FROM layers WHERE base IS NOT NULL")?;
        let mut rows = statement.query([])?;
        let mut standing: HashMap<_, Vec<DiffId>> = HashMap::new();
        while let Some(row) = rows.next()? {
            standing.entry(DiffId::from_bytes(row.get(0)?)).or_default().push(DiffId::from_bytes(row.get(1)?));
        }
        Ok(standing)
    }

    /// Whether another layer has this one as its base.
    pub(super) fn is_base(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        Ok(self.database().prepare_cached("SELECT 1 FROM layers WHERE base = ?1")?.exists([diff_id.as_bytes()])?)
    }

    /// All layers of which anything exists: folders, blobs, or records.
    pub fn all_layers(&self) -> Result<Vec<DiffId>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT diff_id FROM layers UNION SELECT diff_id FROM layer_blobs UNION SELECT diff_id FROM layer_sources
             UNION SELECT diff_id FROM layer_claims",
        )?;
        let rows = statement.query_map([], |row| Ok(DiffId::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The blobs that are recorded as the layer's stream.
    pub(super) fn layer_blob_digests(&self, diff_id: &DiffId) -> Result<Vec<BlobDigest>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT digest FROM layer_blobs WHERE diff_id = ?1")?;
        let rows = statement.query_map([diff_id.as_bytes()], |row| Ok(BlobDigest::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The layers of all images. An image that cannot be read keeps nothing, because it cannot be used either.
    pub fn layers_of_images(&self) -> Result<HashSet<DiffId>, StoreError> {
        let mut layers = HashSet::new();
        for image in self.images()? {
            layers.extend(self.layers_of_image(&image.id));
        }
        Ok(layers)
    }

    fn layers_of_image(&self, id: &ImageId) -> Vec<DiffId> {
        let config = self.read_blob(&(*id).into(), CONFIG_LIMIT).ok();
        let config: Option<ImageConfig> = config.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        config.map(|config| config.rootfs.diff_ids).unwrap_or_default()
    }

    /// Holds the image with all its layers; false if it was removed meanwhile.
    pub fn hold_image(&self, id: &ImageId) -> Result<bool, StoreError> {
        self.lease(id.as_bytes())?;
        for diff_id in self.layers_of_image(id) {
            self.lease(diff_id.as_bytes())?;
        }
        Ok(self.image(id)?.is_some())
    }

    /// The layers that cache records lead to.
    pub fn layers_of_cache(&self) -> Result<HashSet<DiffId>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT DISTINCT diff_id FROM cache")?;
        let rows = statement.query_map([], |row| Ok(DiffId::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn is_blob_named(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT 1 FROM images WHERE id = ?1 UNION ALL SELECT 1 FROM images WHERE manifest = ?1
             UNION ALL SELECT 1 FROM layer_blobs WHERE digest = ?1",
        )?;
        Ok(statement.exists([digest.as_bytes()])?)
    }
}

impl Store {
    /// Claims those of `candidates`, and of their base layers, that no running process uses. Only after that is it safe
    /// to find out what is needed.
    pub fn claim_layers(&self, candidates: &[DiffId]) -> Result<ClaimedLayers<'_>, StoreError> {
        let mut seen = HashSet::new();
        let mut layers = Vec::new();
        let mut bases = Vec::new();
        for diff_id in candidates {
            bases.extend(self.base_of(diff_id)?);
        }
        // A delta goes before its base.
        bases.retain(|base| seen.insert(*base));
        let others: Vec<DiffId> = candidates.iter().copied().filter(|diff_id| seen.insert(*diff_id)).collect();
        for diff_id in others.iter().chain(&bases) {
            if let Some(claim) = self.claim(diff_id.as_bytes())? {
                layers.push((*diff_id, claim));
            }
        }
        Ok(ClaimedLayers { store: self, layers })
    }

    /// Removes the blob, unless a process uses it or something in the database names it.
    pub(super) fn remove_unused_blob(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        let Some(_claim) = self.claim(digest.as_bytes())? else { return Ok(false) };
        if self.is_blob_named(digest)? {
            return Ok(false);
        }
        self.remove_blob(digest)?;
        Ok(true)
    }
}

impl ClaimedLayers<'_> {
    /// Whether there is any.
    pub fn has_any(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Removes those that no image, no cache record, no other layer and no entry of `kept` needs. Returns the removed
    /// ones.
    pub fn remove_unused(self, kept: &HashSet<DiffId>) -> Result<Vec<DiffId>, StoreError> {
        let mut needed = self.store.layers_of_images()?;
        needed.extend(self.store.layers_of_cache()?);
        let mut removed = Vec::new();
        for (diff_id, _claim) in &self.layers {
            if !needed.contains(diff_id) && !kept.contains(diff_id) && !self.store.is_base(diff_id)? {
                self.store.remove_layer(diff_id)?;
                removed.push(*diff_id);
            }
        }
        Ok(removed)
    }
}
