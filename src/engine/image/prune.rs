//! Removes images that are not needed.

use super::ImageError;
use super::info::{self, ImageInfo};
use super::remove::{Removal, Removed, delete};
use super::users::ImageUse;
use crate::base::Filters;
use crate::container::tell_of_prune;
use crate::engine::Counter;
use crate::store::{Store, Usage};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedImages {
    /// Names, images and layers.
    pub removed: Vec<Removed>,
    /// Bytes.
    pub reclaimed: u64,
}

/// The known filters.
pub const FILTERS: [&str; 4] = ["until", "label", "label!", "dangling"];

/// Removes the matching images that no container uses: those without a name, or `all`.
pub fn prune(store: &Store, all: bool, filters: &Filters, counter: &dyn Counter) -> Result<PrunedImages, ImageError> {
    let (until, dangling) = (filters.until()?, filters.boolean("dangling")?);
    let wants_all = all || dangling == Some(false);
    let keep = |image: &ImageInfo| {
        (wants_all || image.is_dangling())
            && filters.labels(&image.config.config.labels)
            && until.is_none_or(|until| image.created_second() < until.as_second())
    };
    let pruned = prune_those(store, &keep, counter)?;
    tell_of_prune(store.root(), "image", pruned.reclaimed);
    Ok(pruned)
}

/// Removes the selected images that no container uses.
pub fn prune_those(
    store: &Store,
    is_asked_for: &dyn Fn(&ImageInfo) -> bool,
    counter: &dyn Counter,
) -> Result<PrunedImages, ImageError> {
    store.hold_nothing();
    let before = store.usage()?;
    let mut removed = Vec::new();
    for image in info::all(store)? {
        if is_asked_for(&image) && ImageUse::of(store)?.user(&image.id()).is_none() {
            removed.extend(delete(store, &image, Removal { force: true, prune: true })?);
            counter.count();
        }
    }
    remove_copies_of_unnamed(store)?;
    Ok(PrunedImages { removed, reclaimed: gone(store, &before) })
}

/// Layers that only the cache keeps are not pushed: they need no compressed copies.
fn remove_copies_of_unnamed(store: &Store) -> Result<(), ImageError> {
    let copies = store.compressed_copies()?;
    if !copies.is_empty() {
        let of_images = store.layers_of_images()?;
        for copy in copies.iter().filter(|copy| !of_images.contains(&copy.diff_id)) {
            store.remove_compressed_copy(copy)?;
        }
    }
    Ok(())
}

/// The space of the layers and blobs that no longer exist.
fn gone(store: &Store, before: &Usage) -> u64 {
    let layers = before.layers.iter().filter(|(diff_id, _)| !store.layer_path(diff_id).exists());
    let blobs = before.blobs.iter().filter(|(digest, _)| !store.has_blob(digest));
    layers.map(|(_, bytes)| bytes).chain(blobs.map(|(_, bytes)| bytes)).sum()
}
