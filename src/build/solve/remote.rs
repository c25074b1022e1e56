//! What other machines made: asked where this machine's store has no record.

use std::path::Path;

use crate::base::digest::{CacheKey, DiffId};
use crate::store::snapshot::{Stack, StackLayer};
use crate::store::{LayerClaim, RemoteBlob, StepLayer};

use super::error::StepError;
use super::settings::Solver;

/// The records of caches elsewhere.
pub trait RemoteRecords: Sync {
    fn find(&self, key: &CacheKey) -> Option<RemoteRecord>;

    /// The outline of the layer. Nothing where no cache has it; an error is told in words.
    fn outline(&self, diff_id: &DiffId) -> Option<Result<Vec<u8>, String>>;

    /// Fills an empty folder with the content of the cache mount with this name. Nothing where no cache has it; after an
    /// error, which is told in words, the folder holds a part of it.
    fn fill_mount(&self, name: &str, folder: &Path) -> Option<Result<(), String>>;
}

/// A layer that a step made elsewhere.
#[derive(Debug, Clone)]
pub struct RemoteRecord {
    pub claim: LayerClaim,
    /// Where its blob can be fetched; nothing where only what it is was told. That is enough for the keys of the steps
    /// that follow; whether it is needed itself shows then.
    pub blobs: Vec<RemoteBlob>,
}

impl Solver<'_> {
    /// The layer that the step with this key made, here or elsewhere. From elsewhere only what it is gets here.
    pub(super) fn recorded(&self, key: &CacheKey) -> Result<Option<StepLayer>, StepError> {
        if let Some(layer) = self.store.cached(key)? {
            return Ok(Some(layer));
        }
        let Some(found) = self.remote.find(key) else { return Ok(None) };
        let RemoteRecord { claim, blobs } = found;
        if self.distrusted.contains(&claim.diff_id) {
            return Ok(None);
        }
        if let Some(own) = self.store.layer(&claim.diff_id)? {
            // It may have come with an image: then nobody knows its tree, and later keys would be others.
            if own.tree.is_none() {
                let path = self.store.layer_path(&claim.diff_id);
                let encoded = crate::image::layer::encode(&path, std::io::sink(), &crate::image::layer::NothingKnown)?;
                if encoded.tree != claim.tree {
                    return Ok(None);
                }
                self.store.add_layer(&crate::store::LayerRecord { tree: Some(encoded.tree), ..own }, &path)?;
            }
        } else {
            self.store.add_layer_claim(&claim)?;
            for blob in &blobs {
                self.store.add_layer_source(&claim.diff_id, blob)?;
            }
        }
        if self.store.can_have_layer(&claim.diff_id)? {
            self.store.add_cache_record(key, &claim.diff_id)?;
        }
        Ok(Some(StepLayer::of_claim(&claim)))
    }

    /// The stack with a recorded layer on top.
    pub(super) fn stack_with(&self, parent: &Stack, layer: &StepLayer) -> Stack {
        parent.with(StackLayer { diff_id: layer.diff_id, tree: layer.tree })
    }
}
