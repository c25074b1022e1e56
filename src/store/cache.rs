//! Cache records: which layer a step with a given key made.

use rusqlite::{OptionalExtension as _, params};

use super::{LayerRecord, Reader, StepLayer, Store, StoreError, now};
use crate::base::digest::{CacheKey, DiffId, TreeDigest};

impl Reader {
    /// The layer that the step with this key made. It is local or can be fetched. `None` if the record was written
    /// before a power loss, or if the layer is gone.
    pub fn cached(&self, key: &CacheKey) -> Result<Option<StepLayer>, StoreError> {
        let found = self
            .database()
            .prepare_cached("SELECT diff_id FROM cache WHERE key = ?1 AND (boot IS NULL OR boot = ?2)")?
            .query_row(params![key.as_bytes(), self.boot], |row| row.get(0))
            .optional()?
            .map(DiffId::from_bytes);
        found.map_or(Ok(None), |diff_id| self.step_layer(&diff_id))
    }

    /// The layer that was made earlier on the same parent layers with the same tree: the same except for its times.
    pub fn layer_with_tree(&self, parent: &[u8; 32], tree: &TreeDigest) -> Result<Option<LayerRecord>, StoreError> {
        let found = self
            .database()
            .prepare_cached("SELECT diff_id FROM trees WHERE parent = ?1 AND tree = ?2")?
            .query_row(params![parent, tree.as_bytes()], |row| row.get(0))
            .optional()?
            .map(DiffId::from_bytes);
        found.map_or(Ok(None), |diff_id| self.layer(&diff_id))
    }
}

impl Store {
    /// Records that the step with this key made the layer.
    pub fn add_cache_record(&self, key: &CacheKey, diff_id: &DiffId) -> Result<(), StoreError> {
        self.database()
            .prepare_cached("INSERT OR REPLACE INTO cache (key, diff_id, used_at, boot) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key.as_bytes(), diff_id.as_bytes(), now(), self.boot])?;
        Ok(())
    }

    /// Records that these records were used now, for eviction of the least recently used.
    pub fn touch_cache_records(&self, keys: &[CacheKey]) -> Result<(), StoreError> {
        let mut database = self.database();
        let transaction = database.transaction()?;
        {
            let mut statement = transaction.prepare_cached("UPDATE cache SET used_at = ?2 WHERE key = ?1")?;
            for key in keys {
                statement.execute(params![key.as_bytes(), now()])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Records that `diff_id` has this tree on these parent layers.
    pub fn add_tree(&self, parent: &[u8; 32], tree: &TreeDigest, diff_id: &DiffId) -> Result<(), StoreError> {
        self.database()
            .prepare_cached("INSERT OR REPLACE INTO trees (parent, tree, diff_id) VALUES (?1, ?2, ?3)")?
            .execute(params![parent, tree.as_bytes(), diff_id.as_bytes()])?;
        Ok(())
    }
}
