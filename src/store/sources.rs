//! Layers that are known but perhaps not local: where their blobs can be fetched, and what a cache says about them.

use rusqlite::{OptionalExtension as _, params};

use super::{LayerRecord, Reader, Store, StoreError, now};
use crate::base::digest::{BlobDigest, DiffId, TreeDigest};

/// A blob that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBlob {
    /// The digest of its bytes.
    pub digest: BlobDigest,
    /// Bytes of the blob.
    pub size: u64,
    /// How it is compressed.
    pub media_type: String,
    /// Its location, in a form that the [`LayerOrigin`](super::LayerOrigin) understands. Contains no secret.
    pub source: String,
}

/// What a cache says about a layer that a step made. It is trusted permanently once the fetched layer has confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerClaim {
    /// The digest of its uncompressed stream.
    pub diff_id: DiffId,
    /// The digest of its tree.
    pub tree: TreeDigest,
    /// Bytes of the uncompressed tar stream.
    pub stream_size: u64,
    /// Bytes of the files' contents.
    pub content_size: u64,
    /// When it was made, in seconds since 1970.
    pub made_at: i64,
}

/// A layer that a step made, here or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepLayer {
    /// The digest of its uncompressed stream.
    pub diff_id: DiffId,
    /// The digest of its tree, where it is known.
    pub tree: Option<TreeDigest>,
    /// See [`LayerClaim`].
    pub stream_size: u64,
    /// See [`LayerClaim`].
    pub content_size: u64,
    /// When it was made, in seconds since 1970.
    pub made_at: i64,
}

impl StepLayer {
    /// As a cache says.
    pub fn of_claim(claim: &LayerClaim) -> Self {
        Self {
            diff_id: claim.diff_id,
            tree: Some(claim.tree),
            stream_size: claim.stream_size,
            content_size: claim.content_size,
            made_at: claim.made_at,
        }
    }

    /// As the store has it.
    pub fn of_record(record: &LayerRecord) -> Self {
        Self {
            diff_id: record.diff_id,
            tree: record.tree,
            stream_size: record.stream_size,
            content_size: record.content_size,
            made_at: record.made_at,
        }
    }

    /// What other machines can be told about it.
    pub fn claim(&self) -> Option<LayerClaim> {
        Some(LayerClaim {
            diff_id: self.diff_id,
            tree: self.tree?,
            stream_size: self.stream_size,
            content_size: self.content_size,
            made_at: self.made_at,
        })
    }
}

impl Reader {
    /// Where the layer can be fetched, the most recently seen location first.
    pub fn layer_sources(&self, diff_id: &DiffId) -> Result<Vec<RemoteBlob>, StoreError> {
        self.lease(diff_id.as_bytes())?;
        let database = self.database();
        let mut statement = database.prepare_cached(
            "SELECT digest, size, media_type, source FROM layer_sources
             WHERE diff_id = ?1 ORDER BY seen_at DESC, source",
        )?;
        let rows = statement.query_map([diff_id.as_bytes()], |row| {
            Ok(RemoteBlob {
                digest: BlobDigest::from_bytes(row.get(0)?),
                size: row.get::<_, i64>(1)? as u64,
                media_type: row.get(2)?,
                source: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a cache says about the layer.
    pub fn layer_claim(&self, diff_id: &DiffId) -> Result<Option<LayerClaim>, StoreError> {
        self.lease(diff_id.as_bytes())?;
        Ok(self
            .database()
            .prepare_cached("SELECT tree, stream_size, content_size, made_at FROM layer_claims WHERE diff_id = ?1")?
            .query_row([diff_id.as_bytes()], |row| {
                Ok(LayerClaim {
                    diff_id: *diff_id,
                    tree: TreeDigest::from_bytes(row.get(0)?),
                    stream_size: row.get::<_, i64>(1)? as u64,
                    content_size: row.get::<_, i64>(2)? as u64,
                    made_at: row.get(3)?,
                })
            })
            .optional()?)
    }

    /// The layer, if a step made it and it is local or can be fetched.
    pub fn step_layer(&self, diff_id: &DiffId) -> Result<Option<StepLayer>, StoreError> {
        if let Some(record) = self.layer(diff_id)? {
            return Ok(Some(StepLayer::of_record(&record)));
        }
        let claim = self.layer_claim(diff_id)?;
        match claim {
            Some(claim) if self.can_have_layer(diff_id)? => Ok(Some(StepLayer::of_claim(&claim))),
            _ => Ok(None),
        }
    }

    /// Whether the layer is local, unpacked or as a blob.
    pub fn has_layer(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        Ok(self.layer(diff_id)?.is_some() || !self.layer_blobs(diff_id)?.is_empty())
    }

    /// Whether the layer is local or can be fetched.
    pub fn can_have_layer(&self, diff_id: &DiffId) -> Result<bool, StoreError> {
        Ok(self.has_layer(diff_id)? || !self.layer_sources(diff_id)?.is_empty())
    }
}

impl Store {
    /// Records a location of the layer's blob.
    pub fn add_layer_source(&self, diff_id: &DiffId, blob: &RemoteBlob) -> Result<(), StoreError> {
        self.lease(diff_id.as_bytes())?;
        self.database()
            .prepare_cached(
                "INSERT OR REPLACE INTO layer_sources (diff_id, digest, source, size, media_type, seen_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                diff_id.as_bytes(),
                blob.digest.as_bytes(),
                blob.source,
                blob.size as i64,
                blob.media_type,
                now(),
            ])?;
        Ok(())
    }

    /// Forgets a location of the blob.
    pub fn remove_layer_source(&self, diff_id: &DiffId, blob: &RemoteBlob) -> Result<(), StoreError> {
        self.database().execute(
            "DELETE FROM layer_sources WHERE diff_id = ?1 AND digest = ?2 AND source = ?3",
            params![diff_id.as_bytes(), blob.digest.as_bytes(), blob.source],
        )?;
        Ok(())
    }

    /// Records what a cache says about a layer.
    pub fn add_layer_claim(&self, claim: &LayerClaim) -> Result<(), StoreError> {
        self.lease(claim.diff_id.as_bytes())?;
        self.database()
            .prepare_cached(
                "INSERT OR REPLACE INTO layer_claims (diff_id, tree, stream_size, content_size, made_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                claim.diff_id.as_bytes(),
                claim.tree.as_bytes(),
                claim.stream_size as i64,
                claim.content_size as i64,
                claim.made_at,
            ])?;
        Ok(())
    }

    /// Forgets what a cache said about the layer, and the records that lead to it, unless the layer is local.
    pub fn distrust_layer(&self, diff_id: &DiffId) -> Result<(), StoreError> {
        let is_here = self.layer(diff_id)?.is_some();
        let mut database = self.database();
        let transaction = database.transaction()?;
        transaction.execute("DELETE FROM layer_claims WHERE diff_id = ?1", [diff_id.as_bytes()])?;
        if !is_here {
            transaction.execute("DELETE FROM cache WHERE diff_id = ?1", [diff_id.as_bytes()])?;
            transaction.execute("DELETE FROM trees WHERE diff_id = ?1", [diff_id.as_bytes()])?;
        }
        transaction.commit()?;
        Ok(())
    }
}
