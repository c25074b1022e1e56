//! What is in images, file by file: which instruction made it, what hides it, what it could do without.
//!
//! Layers are read as the streams that registries get, once each; nothing of an image is opened or followed.

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

/// An image, read whole.
#[derive(Debug)]
pub struct Contents {
    /// The image.
    pub id: ImageId,
    /// The lowest first.
    pub layers: Vec<Layer>,
    /// What a container sees: each path with the layer that it is from.
    pub visible: BTreeMap<PathBuf, (usize, File)>,
}

/// A layer of an image.
#[derive(Debug)]
pub struct Layer {
    /// Which layer it is.
    pub diff_id: DiffId,
    /// What made it.
    pub cause: Cause,
    /// What it does, in the order of the paths.
    pub files: Vec<FileInLayer>,
    /// How long its files are together.
    pub bytes: u64,
}

impl Contents {
    /// How long all files of all layers are together: what docker shows as an image's size.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }
}

/// Reads the image that `word` means.
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
