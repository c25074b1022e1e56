//! Provides a layer's folder: an existing one, one unpacked from a blob, or one unpacked while its blob is fetched.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Lower, Outline, SnapshotError, StackLayer, outline_of};
use crate::base::digest::DiffId;
use crate::base::io_error::AtPath;
use crate::base::rights::{self, Rights};
use crate::base::side_by_side::side_by_side;
use crate::image::layer::{self, Applied, ApplyOptions, Decoder, Encoded, NothingKnown};
use crate::store::{self, FetchError, LayerClaim, LayerRecord, OriginError, Sizes, Staging, Store, StoreError};

/// How many layers are fetched and unpacked in parallel: enough to keep the connection busy while another one is
/// unpacked.
pub(super) const AT_ONCE: usize = 4;

/// Looks up the outline of a layer.
pub type FindOutline<'a> = dyn Fn(&DiffId) -> Option<Arc<Outline>> + Sync + 'a;

/// The folders of each of these layers, in order, the lowest of a layer first.
pub(super) fn unpack_all(store: &Store, layers: &[&StackLayer]) -> Result<Vec<Vec<PathBuf>>, SnapshotError> {
    let mut missing = Vec::new();
    for layer in layers {
        if store.layer(&layer.diff_id)?.is_none() {
            missing.push(layer.diff_id);
        }
    }
    if missing.len() > 1 {
        side_by_side(&missing, AT_ONCE, |diff_id| unpack(store, diff_id))?;
    }
    layers.iter().map(|layer| unpack_expected(store, layer)).collect()
}

/// What is available of each layer without fetching: its folders, or else an outline, which `find` looks up. Layers
/// with neither are unpacked.
pub(super) fn outline_all(
    store: &Store,
    layers: &[&StackLayer],
    find: &FindOutline<'_>,
) -> Result<Vec<Lower>, SnapshotError> {
    let mut elsewhere = Vec::new();
    for layer in layers {
        if !store.has_layer(&layer.diff_id)? {
            elsewhere.push(layer.diff_id);
        }
    }
    let found = match elsewhere.as_slice() {
        [] => Vec::new(),
        elsewhere => side_by_side(elsewhere, AT_ONCE, |diff_id| Ok::<_, SnapshotError>(find(diff_id)))?,
    };
    let found: HashMap<DiffId, Option<Arc<Outline>>> = elsewhere.into_iter().zip(found).collect();
    let outlined: Vec<_> = layers.iter().map(|layer| found.get(&layer.diff_id).cloned().flatten()).collect();
    let unknown: Vec<&StackLayer> =
        layers.iter().zip(&outlined).filter(|(_, outline)| outline.is_none()).map(|(layer, _)| *layer).collect();
    let mut folders = unpack_all(store, &unknown)?.into_iter();
    let lower = |outline: Option<_>| match outline {
        Some(outline) => vec![Lower::Outline(outline)],
        None => folders.next().into_iter().flatten().map(Lower::Folder).collect(),
    };
    Ok(outlined.into_iter().flat_map(lower).collect())
}

/// The layer's folders, whose content is the one from which the keys of later steps were computed.
fn unpack_expected(store: &Store, layer: &StackLayer) -> Result<Vec<PathBuf>, SnapshotError> {
    let folders = unpack(store, &layer.diff_id)?;
    let actual = store.layer(&layer.diff_id)?.and_then(|record| record.tree);
    match (layer.tree, actual) {
        (Some(expected), Some(actual)) if expected != actual => {
            let cause = Some("its files are another tree than the cache said".into());
            let place = "what was fetched is not used".to_owned();
            Err(StoreError::Fetch(Box::new(FetchError { diff_id: layer.diff_id, place, cause })).into())
        }
        _ => Ok(folders),
    }
}

/// The layer's folders, the lowest first. Unpacks the layer from its blob if it has none yet, and fetches the blob if
/// it is not local.
pub fn unpack(store: &Store, diff_id: &DiffId) -> Result<Vec<PathBuf>, SnapshotError> {
    if let Some(folders) = store.layer_folders(diff_id)? {
        return Ok(folders);
    }
    // Before anything is fetched: a blob that can't be unpacked here is no wrong one.
    let rights = rights::held()?;
    let _lock = store.lock(&format!("unpack-{}", diff_id.hex()))?;
    if let Some(folders) = store.layer_folders(diff_id)? {
        return Ok(folders);
    }
    let claim = store.layer_claim(diff_id)?;
    let unpacking = Unpacking { store, rights, diff_id: *diff_id, claim };
    let unpacked = match store.layer_blobs(diff_id)?.into_iter().next() {
        Some(blob) => {
            let path = store.blob_path(&blob.digest);
            let file = store.open_blob(&blob.digest)?;
            let size = file.metadata().at("read", &path)?.len();
            unpacking.run(BufReader::new(file), size, &path.to_string_lossy())?
        }
        None => unpacking.fetch()?,
    };
    Ok(vec![unpacking.keep(unpacked)?])
}

struct Unpacking<'a> {
    store: &'a Store,
    rights: Rights,
    diff_id: DiffId,
    /// What a cache says about the layer.
    claim: Option<LayerClaim>,
}

/// A layer's files in staging.
struct Unpacked {
    staging: Staging,
    directory: PathBuf,
    applied: Applied,
    /// The result of encoding the folder, if that was needed.
    encoded: Option<Encoded>,
}

impl Unpacking<'_> {
    fn fetch(&self) -> Result<Unpacked, SnapshotError> {
        let fetched = self.store.fetch_layer(&self.diff_id, |download| {
            let unpacked = self.run(download, 0, "what was fetched").map_err(|error| match error {
                error @ (SnapshotError::Io(_) | SnapshotError::Store(_)) => OriginError::failed(error),
                error => OriginError::gone(error),
            })?;
            let sizes =
                Sizes { stream_size: unpacked.applied.stream_len, content_size: unpacked.applied.content_bytes };
            Ok((unpacked, sizes))
        });
        Ok(fetched?)
    }

    /// Unpacks and checks the blob of `size` bytes, if the size is known. `shown` is its name in errors.
    fn run(&self, blob: impl Read + Send, size: u64, shown: &str) -> Result<Unpacked, SnapshotError> {
        let staging = self.store.staging()?;
        let directory = staging.path().join("layer");
        let unpack_error = |source| SnapshotError::Unpack { diff_id: self.diff_id, source: Box::new(source) };
        std::fs::create_dir(&directory).at("create", &directory)?;
        let stream = Decoder::new(blob).at("read", shown)?.for_disk_of(&directory).of_size(size);
        let applied = layer::apply(stream, &directory, &ApplyOptions::default()).map_err(unpack_error)?;
        if applied.diff_id != self.diff_id {
            return Err(SnapshotError::WrongLayer { expected: self.diff_id, actual: applied.diff_id });
        }
        // If a device could not be created, the folder is incomplete and can't be verified.
        let encoded = match self.claim {
            Some(_) if applied.skipped_devices.is_empty() => {
                Some(layer::encode(&directory, std::io::sink(), &NothingKnown).map_err(unpack_error)?)
            }
            _ => None,
        };
        Ok(Unpacked { staging, directory, applied, encoded })
    }

    fn keep(&self, unpacked: Unpacked) -> Result<PathBuf, SnapshotError> {
        let Unpacked { staging, directory, applied, encoded } = unpacked;
        let claimed = self.claim.map(|claim| claim.tree);
        let tree = encoded.map(|encoded| encoded.tree).or(claimed);
        let record = LayerRecord {
            diff_id: self.diff_id,
            tree,
            stream_size: applied.stream_len,
            content_size: applied.content_bytes,
            made_at: self.claim.map_or_else(store::now, |claim| claim.made_at),
            built: encoded.is_some_and(|encoded| encoded.diff_id == self.diff_id),
            base: None,
        };
        if tree != claimed {
            self.store.distrust_layer(&self.diff_id)?;
        }
        let path = self.store.add_layer(self.rights, &record, &directory)?;
        drop(staging);
        // The layer may be removed and still be known: its outline then saves another fetch.
        if !self.store.layer_sources(&self.diff_id)?.is_empty()
            && let Some(outline) = outline_of(std::slice::from_ref(&path))?
        {
            self.store.add_outline(&self.diff_id, &outline)?;
        }
        Ok(path)
    }
}
