//! Writes a cache after a build: reads the existing content, adds ours, and reads back what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::blob::{Blob, OutlineRecord};
use super::document::{CONFIG_LIMIT, CONFIG_TYPE, Document, Layer, MANIFEST_LIMIT, today};
use super::options::{ExportOptions, Mode};
use super::outlines::{self, Outlines};
use super::place::{Place, PlaceError, read_bounded};
use super::records::StepRecord;
use crate::base::digest::{BlobDigest, DiffId};
use crate::base::side_by_side::side_by_side;
use crate::image::{Descriptor, Manifest, media_type};
use crate::store::{self, LayerOrigin, RemoteBlob, Store, StoreError};
use crate::transport::registry::Settings;
use crate::transport::transfer::{LayerFormat, TransferError, compressed_blob};

/// How many blobs are sent in parallel.
const AT_ONCE: usize = 4;
/// For a layer with a smaller blob, an outline would save nothing.
const SMALLEST_OUTLINED: u64 = 64 << 10;
/// How many times concurrent changes are merged before giving up.
const ROUNDS: u32 = 20;
/// How long to wait before checking whether another builder, which did not see ours, has overwritten it.
const SETTLE: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("`{name}` is an image; a cache needs a name of its own")]
    IsImage { name: String },
    #[error("the blob {digest} was sent, but the server does not have it")]
    NotThere { digest: BlobDigest },
    #[error("the blob {digest} was sent with {expected} bytes, but the server has {actual}")]
    WrongSize { digest: BlobDigest, expected: u64, actual: u64 },
    #[error("what was written is missing when read back")]
    NotReadBack,
    #[error("other builders wrote over it {ROUNDS} times")]
    Contended,
    #[error("the list of records has more than {MANIFEST_LIMIT} bytes")]
    TooManyBlobs,
}

/// The list of records that was read last, and its digest.
type Last = Option<(BlobDigest, Document)>;

/// The content of an export.
pub struct Export<'a> {
    pub store: &'a Store,
    pub settings: &'a Settings,
    pub records: &'a [StepRecord],
    /// The layers of the result.
    pub result: &'a [DiffId],
    /// The layers of the bases of all stages.
    pub bases: &'a [DiffId],
    pub outlines: &'a Outlines<'a>,
    /// The contents of cache mounts to send.
    pub mounts: &'a dyn MountContents,
    /// Receives progress messages.
    pub note: &'a (dyn Fn(&str) + Sync),
}

/// The contents of cache mounts, packed while they are sent.
pub trait MountContents: Sync {
    /// Sends what `previous` lacks, and adds the records to `document`.
    fn send(&self, place: &dyn Place, previous: &Document, document: &mut Document) -> Result<(), ExportError>;
}

impl Export<'_> {
    /// Writes the cache; returns an error unless it is complete.
    pub fn run(&self, options: &ExportOptions) -> Result<(), ExportError> {
        let place = options.place.open_for_writing(self.settings)?;
        let place = place.as_ref();
        let mut last = None;
        let previous = self.previous(place, &mut last)?;
        let mut ours = super::records::document(self.records);
        ours.records.values_mut().for_each(|record| record.used_day = today(store::now()));
        let sent = self.send_layers(place, options, &ours, &previous)?;
        for (diff_id, blob) in sent {
            if let Some(layer) = ours.layers.get_mut(&diff_id) {
                layer.blob = Some(blob);
            }
        }
        ours.outlines = self.send_outlines(place, options, &ours, &previous)?;
        if options.mounts {
            self.mounts.send(place, &previous, &mut ours)?;
        }
        self.publish(place, &ours, &mut last)?;
        self.verify(place, &ours)
    }

    /// The present content of the place. Unreadable content counts as empty, but an image is not overwritten. Does not
    /// read a list again that is in `last`.
    fn previous(&self, place: &dyn Place, last: &mut Last) -> Result<Document, ExportError> {
        let nothing = Document::new();
        let Some(bytes) = place.manifest(MANIFEST_LIMIT)? else { return Ok(nothing) };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
            return match serde_json::from_slice::<crate::image::Index>(&bytes) {
                Ok(_) => Err(ExportError::IsImage { name: place.shown() }),
                Err(_) => Ok(nothing),
            };
        };
        if media_type::classify(&manifest.config.media_type) == media_type::Kind::Config {
            return Err(ExportError::IsImage { name: place.shown() });
        }
        if manifest.config.media_type != CONFIG_TYPE {
            return Ok(nothing);
        }
        if let Some((digest, document)) = last
            && *digest == manifest.config.digest
        {
            return Ok(document.clone());
        }
        let read = place
            .open_blob(&manifest.config.digest)
            .and_then(|blob| read_bounded(blob, "the list of records", CONFIG_LIMIT))
            .map_err(|error| error.to_string())
            .and_then(|bytes| match BlobDigest::of(&bytes) == manifest.config.digest {
                true => Document::parse(&bytes).map_err(|error| error.to_string()),
                false => Err("its content is wrong".to_owned()),
            });
        let document = read.unwrap_or_else(|why| {
            (self.note)(&format!("the list of records that is there is not used: {why}"));
            nothing
        });
        *last = Some((manifest.config.digest, document.clone()));
        Ok(document)
    }

    /// Sends the layers that the place lacks; returns the blobs of all layers.
    fn send_layers(
        &self,
        place: &dyn Place,
        options: &ExportOptions,
        ours: &Document,
        previous: &Document,
    ) -> Result<Vec<(DiffId, Blob)>, ExportError> {
        let is_wanted = |diff_id: &DiffId| options.mode == Mode::Max || self.result.contains(diff_id);
        let layers: Vec<DiffId> = ours.layers.keys().copied().filter(is_wanted).collect();
        let sending = Sending { export: self, place, format: options.compression };
        let sent = side_by_side(&layers, AT_ONCE, |diff_id| {
            let known = previous.layers.get(diff_id).and_then(|layer| layer.blob.clone());
            Ok::<_, ExportError>(sending.layer(diff_id, known)?.map(|blob| (*diff_id, blob)))
        })?;
        Ok(sent.into_iter().flatten().collect())
    }

    /// Sends missing outlines: those of the bases, and of layers that are much larger than their outline.
    fn send_outlines(
        &self,
        place: &dyn Place,
        options: &ExportOptions,
        ours: &Document,
        previous: &Document,
    ) -> Result<BTreeMap<DiffId, OutlineRecord>, ExportError> {
        let is_large = |layer: &Layer| layer.blob.as_ref().is_some_and(|blob| blob.size >= SMALLEST_OUTLINED);
        let made = ours.layers.iter().filter(|(_, layer)| is_large(layer)).map(|(diff_id, _)| diff_id);
        let bases: &[DiffId] = if options.mode == Mode::Max { self.bases } else { self.result };
        let bases = bases.iter().filter(|diff_id| !ours.layers.contains_key(diff_id));
        let wanted: Vec<DiffId> = made.chain(bases).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let used_day = today(store::now());
        let sent = side_by_side(&wanted, AT_ONCE, |diff_id| -> Result<_, ExportError> {
            if let Some(known) = previous.outlines.get(diff_id)
                && place.blob_size(&known.blob.digest)? == Some(known.blob.size)
            {
                return Ok(Some((*diff_id, OutlineRecord { blob: known.blob.clone(), used_day })));
            }
            let Some(bytes) = (self.outlines)(diff_id)? else { return Ok(None) };
            let (digest, size) = (BlobDigest::of(&bytes), bytes.len() as u64);
            let blob = Blob { media_type: outlines::MEDIA_TYPE.to_owned(), digest, size };
            put_bytes(place, &blob.descriptor(), bytes.into())?;
            Ok(Some((*diff_id, OutlineRecord { blob, used_day })))
        })?;
        Ok(sent.into_iter().flatten().collect())
    }

    /// Makes the name refer to our records and to all records of others.
    fn publish(&self, place: &dyn Place, ours: &Document, last: &mut Last) -> Result<(), ExportError> {
        let mut is_written = false;
        for round in 0..ROUNDS {
            let lock = place.lock()?;
            let previous = self.previous(place, last)?;
            let mut merged = previous.clone();
            merged.merge(ours.clone());
            merged.prune(today(store::now()));
            if merged == previous {
                return Ok(());
            }
            if is_written && lock.is_some() {
                return Err(ExportError::NotReadBack);
            }
            self.write(place, &mut merged)?;
            is_written = true;
            if lock.is_none() {
                drop(lock);
                // A builder that read before we wrote overwrites ours: check after it has done so.
                std::thread::sleep(SETTLE + jitter(round));
            }
        }
        Err(ExportError::Contended)
    }

    fn write(&self, place: &dyn Place, merged: &mut Document) -> Result<(), ExportError> {
        match self.write_documents(place, merged) {
            // Registries refuse manifests with missing blobs: those of others may be gone.
            Err(ExportError::Place(error)) if error.is_refusal() => {
                let mut missing = Vec::new();
                for blob in merged.blobs() {
                    if place.blob_size(&blob.digest)? != Some(blob.size) {
                        missing.push(blob.digest);
                    }
                }
                if missing.is_empty() {
                    return Err(error.into());
                }
                merged.drop_blobs(|digest| missing.contains(digest));
                self.write_documents(place, merged)
            }
            outcome => outcome,
        }
    }

    fn write_documents(&self, place: &dyn Place, document: &Document) -> Result<(), ExportError> {
        let config: Arc<[u8]> = document.to_bytes().into();
        let manifest = document.manifest(&config);
        let bytes = manifest.to_bytes();
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(ExportError::TooManyBlobs);
        }
        (self.note)(&format!("writing config {}", manifest.config.digest));
        put_bytes(place, &manifest.config, config)?;
        (self.note)(&format!("writing cache manifest {}", BlobDigest::of(&bytes)));
        Ok(place.put_manifest(&bytes)?)
    }

    /// Checks that the place has every blob of ours.
    fn verify(&self, place: &dyn Place, ours: &Document) -> Result<(), ExportError> {
        for Blob { digest, size: expected, .. } in ours.blobs() {
            match place.blob_size(&digest)? {
                None => return Err(ExportError::NotThere { digest }),
                Some(actual) if actual != expected => return Err(ExportError::WrongSize { digest, expected, actual }),
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Uploads a small blob, unless it exists.
fn put_bytes(place: &dyn Place, blob: &Descriptor, bytes: Arc<[u8]>) -> Result<(), PlaceError> {
    if place.blob_size(&blob.digest)? == Some(blob.size) {
        return Ok(());
    }
    let content = || -> Result<Box<dyn std::io::Read + Send>, _> { Ok(Box::new(std::io::Cursor::new(bytes.clone()))) };
    place.put_blob(blob, &content)
}

/// A delay that differs between builders.
fn jitter(round: u32) -> Duration {
    let nanoseconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |it| it.subsec_nanos());
    Duration::from_millis(u64::from(nanoseconds / 1000 % (100 * (round + 1))))
}

struct Sending<'a> {
    export: &'a Export<'a>,
    place: &'a dyn Place,
    format: LayerFormat,
}

impl Sending<'_> {
    /// Makes sure that the place has the layer; returns its blob. `None` for a layer that is not available: then only
    /// its record is exported.
    fn layer(&self, diff_id: &DiffId, known: Option<Blob>) -> Result<Option<Blob>, ExportError> {
        if let Some(known) = known
            && self.place.blob_size(&known.digest)? == Some(known.size)
        {
            return Ok(Some(known));
        }
        let store = self.export.store;
        let sources = store.layer_sources(diff_id)?;
        if store.has_layer(diff_id)? {
            let blob = compressed_blob(store, diff_id, self.format)?;
            let blob = Blob { media_type: blob.media_type, digest: blob.digest, size: blob.size };
            self.send(&blob, &sources, &|| Ok(Box::new(store.open_blob(&blob.digest)?)))?;
            return Ok(Some(blob));
        }
        let (Some(origin), Some(remote)) = (store.origin(), sources.first()) else { return Ok(None) };
        let blob = Blob { media_type: remote.media_type.clone(), digest: remote.digest, size: remote.size };
        self.send(&blob, &sources, &|| open_elsewhere(origin.as_ref(), remote))?;
        Ok(Some(blob))
    }

    fn send(
        &self,
        blob: &Blob,
        sources: &[RemoteBlob],
        content: &super::place::BlobContent<'_>,
    ) -> Result<(), ExportError> {
        let descriptor: Descriptor = blob.descriptor();
        if self.place.blob_size(&blob.digest)? == Some(blob.size) {
            return Ok(());
        }
        for source in sources.iter().filter(|source| source.digest == blob.digest) {
            if self.place.take_over(&descriptor, &source.source)? {
                return Ok(());
            }
        }
        (self.export.note)(&format!("writing layer {}", blob.digest));
        Ok(self.place.put_blob(&descriptor, content)?)
    }
}

fn open_elsewhere(
    origin: &dyn LayerOrigin,
    blob: &RemoteBlob,
) -> Result<Box<dyn std::io::Read + Send>, Box<dyn std::error::Error + Send + Sync>> {
    use crate::store::OriginError;
    origin.open(blob).map_err(|error| match error {
        OriginError::Gone(cause) | OriginError::Failed(cause) => cause,
    })
}
