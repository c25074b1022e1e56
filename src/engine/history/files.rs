//! The layers of a build's image, by the step that created each, and the largest files in them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::document::Document;
use crate::base::digest::{DiffId, ImageId};
use crate::image::{Document as Json, ImageConfig};
use crate::store::Store;
use crate::store::snapshot::View;

/// How many files are listed.
const LARGEST: usize = 50;
/// Smaller files are not listed.
const LEAST_BYTES: u64 = 64 << 10;
/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

/// A layer of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerUse {
    /// Its diffID.
    pub digest: String,
    /// The total size of its files.
    pub bytes: u64,
    /// The instruction in the image's history.
    pub made_by: String,
    /// The index of the step that created it; `None` for a base image's layer.
    pub step: Option<usize>,
}

/// A visible file of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeFile {
    /// With a leading slash.
    pub path: String,
    /// The size of its content.
    pub bytes: u64,
    /// The index of its layer.
    pub layer: usize,
}

impl Document {
    /// Reads the image. What is not local is left out: nothing is fetched to be measured.
    pub fn look_at_image(&mut self, store: &Store) {
        let Some(id) = self.build.image.as_ref().and_then(|id| id.parse::<ImageId>().ok()) else { return };
        let Ok(config) = store.read_blob(&id.into(), CONFIG_LIMIT) else { return };
        let Ok(config) = Json::<ImageConfig>::parse("image config", config) else { return };
        let diff_ids = &config.rootfs.diff_ids;
        let makers: Vec<&str> =
            config.history.iter().filter(|entry| !entry.empty_layer).map(|entry| entry.created_by.as_str()).collect();
        let steps: HashMap<&str, usize> =
            self.steps.iter().enumerate().filter_map(|(place, step)| Some((step.layer.as_deref()?, place))).collect();
        let layer = |(place, diff_id): (usize, &DiffId)| {
            let digest = diff_id.to_string();
            LayerUse {
                bytes: store.layer(diff_id).ok().flatten().map_or(0, |layer| layer.content_size),
                made_by: makers.get(place).copied().unwrap_or_default().to_owned(),
                step: steps.get(digest.as_str()).copied(),
                digest,
            }
        };
        self.layers = diff_ids.iter().enumerate().map(layer).collect();
        self.files = largest_files(store, diff_ids);
    }
}

fn largest_files(store: &Store, diff_ids: &[DiffId]) -> Vec<LargeFile> {
    // The folders of layers, lowest first; a delta's is on top of its base's.
    let (mut folders, mut layers) = (Vec::<PathBuf>::new(), Vec::new());
    for (place, diff_id) in diff_ids.iter().enumerate() {
        for folder in store.layer_folders(diff_id).ok().flatten().unwrap_or_default() {
            if let Some(earlier) = folders.iter().position(|known| *known == folder) {
                folders.remove(earlier);
                layers.remove(earlier);
            }
            folders.push(folder);
            layers.push(place);
        }
    }
    let Ok(view) = View::of_layers(&folders) else { return Vec::new() };
    let mut largest: BinaryHeap<Reverse<(u64, PathBuf, usize)>> = BinaryHeap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for (name, entry) in view.read_dir(&folder).unwrap_or_default() {
            let path = folder.join(&name);
            if entry.is_dir() {
                open.push(path);
            } else if entry.size >= LEAST_BYTES {
                largest.push(Reverse((entry.size, path, layers[layers.len() - 1 - entry.layer()])));
                if largest.len() > LARGEST {
                    largest.pop();
                }
            }
        }
    }
    let shown = |path: &Path| format!("/{}", path.display());
    let sorted = largest.into_sorted_vec().into_iter();
    sorted.map(|Reverse((bytes, path, layer))| LargeFile { path: shown(&path), bytes, layer }).collect()
}
