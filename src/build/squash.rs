//! `--squash`: turns the layers that a build made into one on top of the base image.

use crate::base::digest::{CacheKey, FieldHasher, ImageId};
use crate::base::io_error::AtPath;
use crate::base::rights;
use crate::image::layer::{self, NothingKnown};
use crate::image::{History, ImageConfig};
use crate::store::Store;
use crate::store::snapshot::{self, Stack, StackLayer};

use super::error::BuildError;

/// The stack with one layer above the first `base`. Earlier results of a squash are found in the cache.
pub(super) fn stack(store: &Store, stack: &Stack, base: usize) -> Result<Stack, BuildError> {
    if stack.layers.len() <= base + 1 {
        return Ok(stack.clone());
    }
    let below = Stack { layers: stack.layers[..base].to_vec() };
    let mut hasher = FieldHasher::new("squash-1");
    hasher.field(&below.exact_digest()).field(&stack.exact_digest());
    let key = CacheKey::from_bytes(hasher.finish());
    if let Some(record) = store.cached(&key)? {
        return Ok(below.with(StackLayer { diff_id: record.diff_id, tree: record.tree }));
    }
    let above = Stack { layers: stack.layers[base..].to_vec() };
    let (lower, above) = (below.unpacked(store)?, above.unpacked(store)?);
    let staging = store.staging()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir(&directory).at("create", &directory)?;
    snapshot::squash(&lower, &above, &directory)?;
    let encoded = layer::encode(&directory, std::io::sink(), &NothingKnown)?;
    let record = snapshot::record_of(&encoded);
    store.add_layer(rights::held()?, &record, &directory)?;
    store.add_cache_record(&key, &encoded.diff_id)?;
    Ok(below.with(StackLayer { diff_id: encoded.diff_id, tree: Some(encoded.tree) }))
}

/// Docker's history of a squashed image: the entries of the layers stay, without layers, and a last one has the single
/// layer. `whole` is the image that was squashed.
pub(super) fn history(config: &mut ImageConfig, base_history: usize, whole: &ImageId) {
    for entry in config.history.iter_mut().skip(base_history) {
        entry.empty_layer = true;
    }
    config.history.push(History {
        created: config.created,
        comment: format!("create new from {whole}"),
        ..History::default()
    });
}
