//! What is in images, file by file: which instruction created it, what hides it, and what could be left out.
//!
//! Layers are read as registry streams, once each; no file of an image is opened or followed.

mod cause;
mod compare;
mod error;
mod files;
mod layer;
mod packages;
mod waste;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::digest::{DiffId, ImageId};
use crate::engine::image::info::{find_for, read_config};
use crate::image::Platform;
use crate::store::Store;

pub use cause::Cause;
pub use compare::{Difference, diff};
pub use error::ContentsError;
pub use files::{Change, FileInLayer};
pub use layer::{File, FileKind};
pub use waste::{Finding, Kind, Waste, waste};

/// The contents of an image.
#[derive(Debug)]
pub struct Contents {
    /// The image.
    pub id: ImageId,
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// What a container sees: each path with the index of its layer.
    pub visible: BTreeMap<PathBuf, (usize, File)>,
}

/// A layer of an image.
#[derive(Debug)]
pub struct Layer {
    /// Its diffID.
    pub diff_id: DiffId,
    /// What created it.
    pub cause: Cause,
    /// Its changes, ordered by path.
    pub files: Vec<FileInLayer>,
    /// The total size of its files.
    pub bytes: u64,
}

impl Contents {
    /// The total size of the files in all layers: docker's size of the image.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }
}

/// Reads the image that `word` refers to.
pub fn read(store: &Store, word: &str, platform: Option<&Platform>) -> Result<Contents, ContentsError> {
    let id = find_for(store, word, platform)?;
    let config = read_config(store, &id)?;
    let causes = cause::of(store, &config);
    let mut state = files::Merged::default();
    let mut layers = Vec::new();
    for (index, (diff_id, cause)) in config.rootfs.diff_ids.iter().zip(causes).enumerate() {
        let entries = layer::read(store, diff_id)?;
        let bytes = entries.iter().map(layer::Entry::bytes).sum();
        let files = state.apply(index, entries);
        layers.push(Layer { diff_id: *diff_id, cause, files, bytes });
    }
    Ok(Contents { id, layers, visible: state.visible() })
}
