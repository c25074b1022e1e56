//! Layers, unpacked once under their diffID and shared by every build and container.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Store, StoreError};
use crate::base::digest::{BlobDigest, DiffId, TreeDigest};
use crate::base::io_error::AtPath;
use crate::base::rights::Rights;

/// What the store records about an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRecord {
    /// The digest of its uncompressed stream.
    pub diff_id: DiffId,
    /// Only for layers that a step made.
    pub tree: Option<TreeDigest>,
    /// Bytes of the uncompressed tar stream.
    pub stream_size: u64,
    /// Bytes of the files' contents.
    pub content_size: u64,
    /// When it was made or unpacked, in seconds since 1970.
    pub made_at: i64,
    /// Whether a step made it, so that `layer::encode` reproduces its stream.
    pub built: bool,
    /// The base layer, whose folder is below its own, which has only the differences. A base is always whole.
    pub base: Option<DiffId>,
}

/// A layer's stream as a blob: as loaded or pulled, or as compressed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerBlob {
    /// Which blob it is.
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    /// How it is compressed.
    pub media_type: String,
    /// Bytes of the uncompressed tar stream: the code that adds a blob has read it to check the diffID.
    pub stream_size: u64,
    /// Bytes of the files' contents.
    pub content_size: u64,
}

impl Reader {
    /// The path of the unpacked layer's own folder, whether it exists or not.
    pub fn layer_path(&self, diff_id: &DiffId) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    /// The layer's record, with that of its base, if it is unpacked here and trusted.
    pub fn layer(&self, diff_id: &DiffId) -> Result<Option<LayerRecord>, StoreError> {
        if let Some(record) = self.present().get(diff_id) {
            return Ok(Some(record.clone()));
        }
        let is_held = self.lease(diff_id.as_bytes())?;
        let record = self
            .database()
            .prepare_cached(
                "SELECT tree, stream_size, content_size, made_at, built, base FROM layers
                 WHERE diff_id = ?1 AND (boot IS NULL OR boot = ?2)",
            )?
            .query_row(params![diff_id.as_bytes(), self.boot], |row| {
                Ok(LayerRecord {
                    diff_id: *diff_id,
                    tree: row.get::<_, Option<[u8; 32]>>(0)?.map(TreeDigest::from_bytes),
                    stream_size: row.get::<_, i64>(1)? as u64,
                    content_size: row.get::<_, i64>(2)? as u64,
                    made_at: row.get(3)?,
                    built: row.get(4)?,
                    base: row.get::<_, Option<[u8; 32]>>(5)?.map(DiffId::from_bytes),
                })
            })
            .optional()?;
        let mut record = record.filter(|_| self.layer_path(diff_id).is_dir());
        if let Some(base) = record.as_ref().and_then(|record| record.base)
            && (base == *diff_id || self.layer(&base)?.is_none())
        {
            record = None;
        }
        if let Some(record) = record.as_ref().filter(|_| is_held) {
            self.present().insert(*diff_id, record.clone());
        }
        Ok(record)
    }

    /// The folders of the unpacked layer, the lowest first, if it is here. What overlayfs shows of them is the layer.
    pub fn layer_folders(&self, diff_id: &DiffId) -> Result<Option<Vec<PathBuf>>, StoreError> {
        let folders = |record: LayerRecord| record.base.iter().chain([diff_id]).map(|id| self.layer_path(id)).collect();
        Ok(self.layer(diff_id)?.map(folders))
    }

    /// The existing blobs of the layer's stream.
    pub fn layer_blobs(&self, diff_id: &DiffId) -> Result<Vec<LayerBlob>, StoreError> {
        self.lease(diff_id.as_bytes())?;
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT digest, size, media_type, stream_size, content_size FROM layer_blobs
                 WHERE diff_id = ?1 ORDER BY digest",
        )?;
        let rows = statement.query_map([diff_id.as_bytes()], |row| {
            Ok(LayerBlob {
                digest: BlobDigest::from_bytes(row.get(0)?),
                size: row.get::<_, i64>(1)? as u64,
                media_type: row.get(2)?,
                stream_size: row.get::<_, i64>(3)? as u64,
                content_size: row.get::<_, i64>(4)? as u64,
            })
        })?;
        let mut blobs: Vec<LayerBlob> = rows.collect::<Result<_, _>>()?;
        blobs.retain(|blob| self.has_blob(&blob.digest));
        Ok(blobs)
    }
}

impl Store {
    /// Takes the folder `directory` as the layer of `record`. If the layer is already here, the existing one is kept.
    pub fn add_layer(&self, _: Rights, record: &LayerRecord, directory: &Path) -> Result<PathBuf, StoreError> {
        let target = self.layer_path(&record.diff_id);
        self.lease(record.diff_id.as_bytes())?;
        let _lock = self.lock(&format!("layer-{}", record.diff_id.hex()))?;
        if self.layer(&record.diff_id)?.is_some() {
            // It may have come with an image before a step made the same.
            self.database()
                .prepare_cached("UPDATE layers SET tree = ?2 WHERE diff_id = ?1 AND tree IS NULL")?
                .execute(params![record.diff_id.as_bytes(), record.tree.as_ref().map(TreeDigest::as_bytes)])?;
            self.present().remove(&record.diff_id);
            return Ok(target);
        }
        if target.is_dir() {
            // There is no trusted record, because of a crash or a power loss.
            let discarded = self.staging()?;
            std::fs::rename(&target, discarded.path().join("layer")).at("rename", &target)?;
        }
        std::fs::rename(directory, &target).at("rename", directory)?;
        self.database()
            .prepare_cached(
                "INSERT OR REPLACE INTO layers (diff_id, tree, stream_size, content_size, made_at, built, boot, base)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                record.diff_id.as_bytes(),
                record.tree.as_ref().map(TreeDigest::as_bytes),
                record.stream_size as i64,
                record.content_size as i64,
                record.made_at,
                record.built,
                self.boot,
                record.base.as_ref().map(DiffId::as_bytes),
            ])?;
        Ok(target)
    }

    /// Records that the layer was made again, and returns when. That is later than before even within
    /// one second: only the time tells the new image from the old one.
    pub fn made_again(&self, diff_id: &DiffId) -> Result<i64, StoreError> {
        let made_at = self
            .database()
            .prepare_cached("UPDATE layers SET made_at = max(made_at + 1, ?2) WHERE diff_id = ?1 RETURNING made_at")?
            .query_row(params![diff_id.as_bytes(), super::now()], |row| row.get(0))?;
        self.present().remove(diff_id);
        Ok(made_at)
    }

    /// Records that the blob is the layer's stream. The blob must be in the store.
    pub fn add_layer_blob(&self, diff_id: &DiffId, blob: &LayerBlob) -> Result<(), StoreError> {
        self.lease(diff_id.as_bytes())?;
        self.database()
            .prepare_cached(
                "INSERT OR REPLACE INTO layer_blobs (diff_id, digest, size, media_type, stream_size, content_size)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                diff_id.as_bytes(),
                blob.digest.as_bytes(),
                blob.size as i64,
                blob.media_type,
                blob.stream_size as i64,
                blob.content_size as i64,
            ])?;
        Ok(())
    }

    /// Forgets the layer and removes its folder and blobs. The caller must have claimed the layer.
    pub(super) fn remove_layer(&self, diff_id: &DiffId) -> Result<(), StoreError> {
        self.present().remove(diff_id);
        let _lock = self.lock(&format!("layer-{}", diff_id.hex()))?;
        let blobs = self.layer_blobs(diff_id)?;
        {
            let mut database = self.database();
            let transaction = database.transaction()?;
            transaction.execute("DELETE FROM cache WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM trees WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM layers WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM layer_blobs WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM layer_sources WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM layer_claims WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.commit()?;
        }
        for blob in blobs {
            self.remove_unused_blob(&blob.digest)?;
        }
        let path = self.layer_path(diff_id);
        if path.is_dir() {
            let discarded = self.staging()?;
            std::fs::rename(&path, discarded.path().join("layer")).at("rename", &path)?;
        }
        Ok(())
    }
}
