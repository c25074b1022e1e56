//! The history of an image.

use serde_json::{Value, json};

use super::ImageError;
use super::info::{self, find_for, layer_size, read_config};
use crate::base::digest::ImageId;
use crate::image::{History, ImageConfig, Platform, Reference};
use crate::store::Store;

/// The entries of an image's history.
#[derive(Debug, Clone)]
pub struct ImageHistory {
    /// The image's ID.
    pub id: ImageId,
    /// Each entry with the size of its layer's files; the first instruction first.
    pub entries: Vec<(History, u64)>,
}

/// The history of the image that `word` refers to. Images without a history show their layers.
pub fn history(store: &Store, word: &str, platform: Option<&Platform>) -> Result<ImageHistory, ImageError> {
    let id = find_for(store, word, platform)?;
    let config = read_config(store, &id)?;
    Ok(ImageHistory { id, entries: sizes(store, &config) })
}

/// The history as in docker's API: the last instruction first; only that one has the image's ID and names.
pub fn rows(store: &Store, word: &str, platform: Option<&Platform>) -> Result<Vec<Value>, ImageError> {
    let history = history(store, word, platform)?;
    let names: Vec<String> = info::one(store, &history.id)?.tags.iter().map(Reference::familiar).collect();
    let row = |(position, (entry, size)): (usize, &(History, u64))| {
        let is_last = position == 0;
        json!({
            "Comment": entry.comment,
            "Created": entry.created.map_or(0, |created| created.as_second()),
            "CreatedBy": entry.created_by,
            "Id": if is_last { history.id.to_string() } else { "<missing>".to_owned() },
            "Size": size,
            "Tags": if is_last && !names.is_empty() { json!(names) } else { Value::Null },
        })
    };
    Ok(history.entries.iter().rev().enumerate().map(row).collect())
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
