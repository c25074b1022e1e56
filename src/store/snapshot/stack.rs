//! The layers of a root filesystem, by their digests.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Lower, SnapshotError, unpack};
use crate::base::digest::{DiffId, FieldHasher, TreeDigest};
use crate::image::layer::Encoded;
use crate::store::{self, LayerRecord, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StackLayer {
    pub diff_id: DiffId,
    /// Only for layers that a step made; a base image's layers are known by their diffID alone.
    pub tree: Option<TreeDigest>,
}

/// The store's record of a layer that was made here: its stream can be reproduced from its folder.
pub fn record_of(encoded: &Encoded) -> LayerRecord {
    LayerRecord {
        diff_id: encoded.diff_id,
        tree: Some(encoded.tree),
        stream_size: encoded.stream_len,
        content_size: encoded.content_bytes,
        made_at: store::now(),
        built: true,
        base: None,
    }
}

/// The layers of a root filesystem, the lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stack {
    pub layers: Vec<StackLayer>,
}

impl Stack {
    pub fn of_image(diff_ids: &[DiffId]) -> Self {
        Self { layers: diff_ids.iter().map(|&diff_id| StackLayer { diff_id, tree: None }).collect() }
    }

    pub fn with(&self, layer: StackLayer) -> Self {
        let mut layers = self.layers.clone();
        layers.push(layer);
        Self { layers }
    }

    pub fn diff_ids(&self) -> Vec<DiffId> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }

    /// A digest that is the same for all stacks with the same files, whatever their modification times.
    pub fn tree_digest(&self) -> [u8; 32] {
        let mut hasher = FieldHasher::new("stack-trees-1");
        for layer in &self.layers {
            match &layer.tree {
                Some(tree) => hasher.field(b"tree").field(tree.as_bytes()),
                None => hasher.field(b"diff").field(layer.diff_id.as_bytes()),
            };
        }
        hasher.finish()
    }

    /// A digest that is the same only for exactly the same layers.
    pub fn exact_digest(&self) -> [u8; 32] {
        let mut hasher = FieldHasher::new("stack-layers-1");
        for layer in &self.layers {
            hasher.field(layer.diff_id.as_bytes());
        }
        hasher.finish()
    }

    /// The folders of the layers, the lowest first. Layers that are only blobs are unpacked, and those that are not
    /// local are fetched, several at a time.
    ///
    /// If a layer is in the stack twice, only the upper position counts, because overlayfs accepts no folder twice:
    /// whatever the lower one shows or hides, the upper one does too. The same holds for a folder that several layers
    /// share.
    pub fn unpacked(&self, store: &Store) -> Result<Vec<PathBuf>, SnapshotError> {
        let folders = unpack::unpack_all(store, &self.that_count())?.concat();
        Ok(uppermost(folders, |folder| Some(folder.clone())))
    }

    /// The layers for steps that only add files: outlines of those that are not local, where `find` has one.
    pub fn outlined(&self, store: &Store, find: &unpack::FindOutline<'_>) -> Result<Vec<Lower>, SnapshotError> {
        let layers = unpack::outline_all(store, &self.that_count(), find)?;
        Ok(uppermost(layers, |layer| match layer {
            Lower::Folder(folder) => Some(folder.clone()),
            Lower::Outline(_) => None,
        }))
    }

    /// Each layer once, in its uppermost position.
    fn that_count(&self) -> Vec<&StackLayer> {
        uppermost(self.layers.iter().collect(), |layer| Some(layer.diff_id))
    }
}

/// The items (the lowest first) of which none above has the same identity.
fn uppermost<T, I: std::hash::Hash + Eq>(items: Vec<T>, identity: impl Fn(&T) -> Option<I>) -> Vec<T> {
    let mut seen = HashSet::new();
    let is_first = move |item: &T| identity(item).is_none_or(|identity| seen.insert(identity));
    let mut kept: Vec<T> = items.into_iter().rev().filter(is_first).collect();
    kept.reverse();
    kept
}
