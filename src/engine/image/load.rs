//! From an archive into the store.

use super::ImageError;
use super::pull::sync_behind;
use crate::image::Platform;
use crate::store::Store;
use crate::transport::archive::{self, LoadOptions, Loaded, Source};

/// Loads all images of an archive, of those for several platforms only the one that is named. All or none.
pub fn load(store: &Store, source: Source<'_>, platform: Option<Platform>) -> Result<Vec<Loaded>, ImageError> {
    let loaded = archive::load(store, source, &LoadOptions { platform, ..LoadOptions::default() })?;
    for image in &loaded {
        store.tell("load", &image.id, &image.id.to_string());
    }
    sync_behind(store);
    Ok(loaded)
}
