//! Loads images from an archive into the store.

use super::ImageError;
use super::pull::sync_behind;
use crate::image::Platform;
use crate::store::Store;
use crate::transport::archive::{self, LoadOptions, Loaded, Source};

/// Docker's lines for one image.
pub fn lines(loaded: &Loaded) -> Vec<String> {
    let replaced = loaded.replaced.iter().map(|(name, old)| {
        format!("The image {} already exists, renaming the old one with ID {old} to empty string", name.familiar())
    });
    let names = loaded.names.iter().map(|name| format!("Loaded image: {}", name.familiar()));
    let nameless = loaded.names.is_empty().then(|| format!("Loaded image ID: {}", loaded.id));
    replaced.chain(names).chain(nameless).collect()
}

/// Loads all images of an archive; of those for several platforms, only the given one. All or none.
pub fn load(store: &Store, source: Source<'_>, platform: Option<Platform>) -> Result<Vec<Loaded>, ImageError> {
    let loaded = archive::load(store, source, &LoadOptions { platform, ..LoadOptions::default() })?;
    for image in &loaded {
        store.tell("load", &image.id, &image.id.to_string());
    }
    sync_behind(store);
    Ok(loaded)
}
