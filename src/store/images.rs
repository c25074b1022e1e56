//! Images. An image is its config; the config names its layers.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Reader, Store, StoreError, now};
use crate::base::digest::{BlobDigest, ImageId};

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The digest of its config.
    pub id: ImageId,
    /// The manifest it was pulled or loaded with, kept as a blob.
    pub manifest: Option<BlobDigest>,
    /// When it was added to the store, in seconds since 1970.
    pub added_at: i64,
}

fn image_record(row: &Row<'_>) -> rusqlite::Result<ImageRecord> {
    Ok(ImageRecord {
        id: ImageId::from_bytes(row.get(0)?),
        manifest: row.get::<_, Option<[u8; 32]>>(1)?.map(BlobDigest::from_bytes),
        added_at: row.get(2)?,
    })
}

impl Reader {
    /// The record of the image.
    pub fn image(&self, id: &ImageId) -> Result<Option<ImageRecord>, StoreError> {
        Ok(self
            .database()
            .prepare_cached("SELECT id, manifest, added_at FROM images WHERE id = ?1")?
            .query_row([id.as_bytes()], image_record)
            .optional()?)
    }

    /// The image that was pulled or loaded with this manifest.
    pub fn image_with_manifest(&self, manifest: &BlobDigest) -> Result<Option<ImageId>, StoreError> {
        Ok(self
            .database()
            .prepare_cached("SELECT id, manifest, added_at FROM images WHERE manifest = ?1")?
            .query_row([manifest.as_bytes()], image_record)
            .optional()?
            .map(|image| image.id))
    }

    /// All images, the most recently added first.
    pub fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let database = self.database();
        let mut statement =
            database.prepare_cached("SELECT id, manifest, added_at FROM images ORDER BY added_at DESC, id")?;
        let rows = statement.query_map([], image_record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Store {
    /// Adds the image. Its config, and its manifest if it has one, must be in the store as blobs.
    pub fn add_image(&self, id: &ImageId, manifest: Option<&BlobDigest>) -> Result<(), StoreError> {
        self.added().insert(*id, manifest.copied());
        if self.image(id)?.is_some_and(|known| manifest.is_none() || known.manifest.as_ref() == manifest) {
            return Ok(());
        }
        self.database()
            .prepare_cached(
                "INSERT INTO images (id, manifest, added_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET manifest = coalesce(excluded.manifest, manifest)",
            )?
            .execute(params![id.as_bytes(), manifest.map(BlobDigest::as_bytes), now()])?;
        Ok(())
    }

    /// Forgets the image and its tags, and removes its config and manifest. A tag that means other images too keeps
    /// those, unless this is the one that it stands for. Its layers stay: other images and the cache may use them.
    pub fn remove_image(&self, id: &ImageId) -> Result<(), StoreError> {
        let manifest = self.image(id)?.ok_or(StoreError::NoImage(*id))?.manifest;
        {
            let mut database = self.database();
            let transaction = database.transaction()?;
            transaction.execute("DELETE FROM tags WHERE image = ?1", [id.as_bytes()])?;
            transaction.execute("DELETE FROM images WHERE id = ?1", [id.as_bytes()])?;
            transaction.commit()?;
        }
        self.remove_documents(id, manifest)
    }

    /// The same for an image without a name of its own: false if another process has named or removed it. With
    /// `keeps_parts`, an image that is part of an index stays too.
    pub fn remove_nameless_image(&self, id: &ImageId, keeps_parts: bool) -> Result<bool, StoreError> {
        let Some(record) = self.image(id)? else { return Ok(false) };
        let removed = self.database().execute(
            "DELETE FROM images WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM tags WHERE image = ?1)
             AND NOT (?2 AND EXISTS (SELECT 1 FROM variants WHERE image = ?1))",
            params![id.as_bytes(), keeps_parts],
        )?;
        if removed > 0 {
            self.remove_documents(id, record.manifest)?;
        }
        Ok(removed > 0)
    }

    fn remove_documents(&self, id: &ImageId, manifest: Option<BlobDigest>) -> Result<(), StoreError> {
        self.added().remove(id);
        self.tell("delete", id, &id.to_string());
        self.remove_unused_blob(&(*id).into())?;
        if let Some(manifest) = manifest {
            self.remove_unused_blob(&manifest)?;
        }
        Ok(())
    }
}
