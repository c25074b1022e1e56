//! How an image was made.

use super::ImageError;
use super::info::{find_for, layer_size, read_config};
use crate::base::digest::ImageId;
use crate::image::{History, ImageConfig, Platform};
use crate::store::Store;

/// The entries of an image's history.
#[derive(Debug, Clone)]
pub struct ImageHistory {
    pub id: ImageId,
    /// Each with the size of its layer's files; the first instruction first.
    pub entries: Vec<(History, u64)>,
}

/// The history of the image that `word` means. Images without a history show their layers.
pub fn history(store: &Store, word: &str, platform: Option<&Platform>) -> Result<ImageHistory, ImageError> {
    let id = find_for(store, word, platform)?;
    let config = read_config(store, &id)?;
    Ok(ImageHistory { id, entries: sizes(store, &config) })
}

fn sizes(store: &Store, config: &ImageConfig) -> Vec<(History, u64)> {
    let mut layers = config.rootfs.diff_ids.iter();
    let mut entries: Vec<(History, u64)> = Vec::new();
    for entry in &config.history {
        let layer = if entry.empty_layer { None } else { layers.next() };
        entries.push((entry.clone(), layer.map_or(0, |diff_id| layer_size(store, diff_id))));
    }
    entries.extend(layers.map(|diff_id| (History::default(), layer_size(store, diff_id))));
    entries
}
