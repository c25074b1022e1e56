//! `--max-store`: limits the size of the store.

use crate::cli::CliError;
use crate::engine::Uncounted;
use crate::engine::image::build_cache::{self, Selection};
use crate::engine::image::info::ImageInfo;
use crate::engine::image::prune;
use crate::store::Store;

/// Removes the least recently used build cache, and then images without names, until the store takes at most `limit`
/// bytes. What a name, a container or a running process needs stays, whatever the limit.
pub fn keep(store: &Store, limit: u64) -> Result<(), CliError> {
    if evict(store, limit)? {
        prune::prune_those(store, &ImageInfo::is_dangling, &Uncounted)?;
        evict(store, limit)?;
    }
    Ok(())
}

/// True if more must be removed.
fn evict(store: &Store, limit: u64) -> Result<bool, CliError> {
    let over = store.usage()?.total().saturating_sub(limit);
    if over == 0 {
        return Ok(false);
    }
    let selection = Selection { most: Some(over), ..Selection::default() };
    let pruned = build_cache::prune(store, &selection, "--max-store", &Uncounted)?;
    Ok(pruned.reclaimed < over)
}
