//! `--max-store`: keeps the store from growing beyond a size.

use crate::cli::CliError;
use crate::cli::buildx::prune::{self as cache_prune, Selection};
use crate::cli::image::info::ImageInfo;
use crate::cli::image::prune;
use crate::store::Store;

/// Removes the least recently used of the build cache, and then images without names, until the store takes no more than
/// `limit` bytes. What a name, a container or a running process needs stays, whatever the limit.
pub fn keep(store: &Store, limit: u64) -> Result<(), CliError> {
    if evict(store, limit)? {
        prune::prune(store, &ImageInfo::is_dangling)?;
        evict(store, limit)?;
    }
    Ok(())
}

/// True when more would have to go.
fn evict(store: &Store, limit: u64) -> Result<bool, CliError> {
    let over = store.usage()?.total().saturating_sub(limit);
    if over == 0 {
        return Ok(false);
    }
    let selection = Selection { most: Some(over), ..Selection::default() };
    let (_, reclaimed) = cache_prune::prune(store, &selection, "--max-store")?;
    Ok(reclaimed < over)
}
