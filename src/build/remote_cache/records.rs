//! Turns the steps of a build into the records of a cache.

use super::document::{Document, Layer, Record};
use crate::base::digest::CacheKey;
use crate::store::LayerClaim;

/// The result of a step, made now or earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepRecord {
    pub key: CacheKey,
    pub layer: LayerClaim,
}

/// The records as a document without blobs.
pub fn document(records: &[StepRecord]) -> Document {
    let mut document = Document::new();
    for StepRecord { key, layer } in records {
        document.records.insert(*key, Record { layer: layer.diff_id, used_day: 0 });
        let known = Layer {
            tree: layer.tree,
            stream_size: layer.stream_size,
            content_size: layer.content_size,
            made_at: layer.made_at,
            blob: None,
        };
        document.layers.entry(layer.diff_id).or_insert(known);
    }
    document
}
