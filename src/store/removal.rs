//! Layers that nothing needs any more.

use std::collections::HashSet;

use super::{Store, StoreError};
use crate::digest::DiffId;
use crate::image::ImageConfig;

/// The largest config that is read.
const CONFIG_LIMIT: u64 = 16 << 20;

impl Store {
    /// Removes those of `candidates` that no image, no cache record and nobody in `kept` needs. Gives the removed ones.
    pub fn remove_unused_layers(
        &self,
        candidates: &[DiffId],
        kept: &HashSet<DiffId>,
    ) -> Result<Vec<DiffId>, StoreError> {
        let mut needed = self.layers_of_images()?;
        needed.extend(self.layers_of_cache()?);
        let mut removed = Vec::new();
        for diff_id in candidates {
            if !needed.contains(diff_id) && !kept.contains(diff_id) && !removed.contains(diff_id) {
                self.remove_layer(diff_id)?;
                removed.push(*diff_id);
            }
        }
        Ok(removed)
    }

    fn layers_of_images(&self) -> Result<HashSet<DiffId>, StoreError> {
        let mut layers = HashSet::new();
        for image in self.images()? {
            let config = self.read_blob(&image.id.into(), CONFIG_LIMIT)?;
            // An image that can't be read keeps nothing: it can't be used either.
            let config: ImageConfig = serde_json::from_slice(&config).unwrap_or_default();
            layers.extend(config.rootfs.diff_ids);
        }
        Ok(layers)
    }

    fn layers_of_cache(&self) -> Result<HashSet<DiffId>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT diff_id FROM cache WHERE diff_id IS NOT NULL")?;
        let rows = statement.query_map([], |row| Ok(DiffId::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
