//! Results of other machines, requested if this machine's store has no record.

use std::path::Path;

use crate::base::digest::{CacheKey, DiffId};
use crate::store::snapshot::{Stack, StackLayer};
use crate::store::{LayerClaim, RemoteBlob, StepLayer};

use super::error::StepError;
use super::settings::{Solver, Work};

/// The records of remote caches.
pub trait RemoteRecords: Sync {
    fn find(&self, key: &CacheKey) -> Option<RemoteRecord>;

    /// The outline of the layer. `None` if no cache has it; an error is a message.
    fn outline(&self, diff_id: &DiffId) -> Option<Result<Vec<u8>, String>>;

    /// Fills an empty folder with the content of the cache mount with this name. `None` if no cache has it. After an
    /// error, which is a message, the folder has a part of the content.
    fn fill_mount(&self, name: &str, folder: &Path) -> Option<Result<(), String>>;
}

/// A layer that a step made on another machine.
#[derive(Debug, Clone)]
pub struct RemoteRecord {
    pub claim: LayerClaim,
    /// Where to fetch its blob; empty if that is unknown. The claim is sufficient for the keys of the following steps;
    /// whether the layer itself is needed becomes clear later.
    pub blobs: Vec<RemoteBlob>,
}

impl Solver<'_> {
    /// The layer that the step with this key made, here or elsewhere. Fetches no content.
    pub(super) fn recorded(&self, key: &CacheKey) -> Result<Option<StepLayer>, StepError> {
        if let Some(layer) = self.store.cached(key)? {
            return Ok(Some(layer));
        }
        let Some(found) = self.remote.find(key) else { return Ok(None) };
        let RemoteRecord { claim, blobs } = found;
        if self.distrusted.contains(&claim.diff_id) {
            return Ok(None);
        }
        let Work { store, rights } = self.work()?;
        if let Some(own) = store.layer(&claim.diff_id)? {
            // If it came with an image, its tree is unknown, and later keys would differ.
            if own.tree.is_none() {
                let path = store.layer_path(&claim.diff_id);
                let encoded = crate::image::layer::encode(&path, std::io::sink(), &crate::image::layer::NothingKnown)?;
                if encoded.tree != claim.tree {
                    return Ok(None);
                }
                store.add_layer(rights, &crate::store::LayerRecord { tree: Some(encoded.tree), ..own }, &path)?;
            }
        } else {
            store.add_layer_claim(&claim)?;
            for blob in &blobs {
                store.add_layer_source(&claim.diff_id, blob)?;
            }
        }
        if store.can_have_layer(&claim.diff_id)? {
            store.add_cache_record(key, &claim.diff_id)?;
        }
        Ok(Some(StepLayer::of_claim(&claim)))
    }

    /// The stack with a recorded layer on top.
    pub(super) fn stack_with(&self, parent: &Stack, layer: &StepLayer) -> Stack {
        parent.with(StackLayer { diff_id: layer.diff_id, tree: layer.tree })
    }
}
