//! A cache within an image: the list of records in its config, whose layers are those of its manifest.

use super::blob::Blob;
use super::document::{Document, DocumentError};
use crate::image::{ImageConfig, Manifest};

/// The key of the list in an image's config.
pub const KEY: &str = "rbuild.cache.v1";

/// Writes the list into the config, without blobs and days: the image must be the same whenever it is made.
pub fn write(config: &mut ImageConfig, document: &Document) {
    let mut document = document.clone();
    document.records.values_mut().for_each(|record| record.used_day = 0);
    document.layers.values_mut().for_each(|layer| layer.blob = None);
    document.mounts.clear();
    document.outlines.clear();
    let value = serde_json::to_value(&document).expect("all keys are texts");
    config.extra.insert(KEY.to_owned(), value);
}

/// The list of an image, with the blobs of its manifest; `None` if it has no list.
pub fn read(manifest: &Manifest, config: &[u8]) -> Result<Option<Document>, DocumentError> {
    let config: ImageConfig = serde_json::from_slice(config)?;
    let Some(value) = config.extra.get(KEY) else { return Ok(None) };
    let mut document = Document::parse(value.to_string().as_bytes())?;
    for (diff_id, layer) in config.rootfs.diff_ids.iter().zip(&manifest.layers) {
        if let Some(known) = document.layers.get_mut(diff_id) {
            let media_type = layer.media_type.clone();
            known.blob = Some(Blob { media_type, digest: layer.digest, size: layer.size });
        }
    }
    Ok(Some(document))
}
