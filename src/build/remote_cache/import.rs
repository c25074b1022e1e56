//! Reads caches before a build: their lists of records, in parallel and with a time limit. Layers are fetched later,
//! when they are needed.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::document::{BUILDKIT_CONFIG_TYPE, CONFIG_LIMIT, CONFIG_TYPE, Document, DocumentError, MANIFEST_LIMIT};
use super::inline;
use super::mount_record::MountRecord;
use super::options::CacheSource;
use super::place::{Place, PlaceError, read_bounded};
use crate::base::digest::{BlobDigest, CacheKey};
use crate::image::{Descriptor, Index, Manifest, Platform, best_match};
use crate::store::{self, LayerClaim, RemoteBlob};
use crate::transport::registry::Settings;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("there is no cache of that name")]
    Missing,
    #[error("that is not a manifest")]
    Manifest(#[source] serde_json::Error),
    #[error("the blob {expected} is wrong: its content is {actual}")]
    WrongDigest { expected: BlobDigest, actual: BlobDigest },
    #[error("it is a cache of BuildKit, whose records rbuild cannot use")]
    BuildKit,
    #[error("it is an image without a cache in it; build it with --cache-to type=inline")]
    NoInlineCache,
    #[error("there is no image for {wanted}")]
    NoPlatform { wanted: Platform },
    #[error("reading it took more than {} s", limit.as_secs_f32())]
    Slow { limit: Duration },
    #[error("reading it failed with an internal error")]
    Panicked,
}

/// A cache whose list of records was read.
#[derive(Debug)]
pub struct Imported {
    /// The store's name of it, as the source of blobs.
    pub(super) source: String,
    pub(super) document: Document,
    /// Fill cache mounts from it.
    pub(super) mounts: bool,
}

/// Caches being read.
pub struct Importing {
    begun: Instant,
    running: Vec<(CacheSource, Receiver<Result<Imported, ImportError>>)>,
}

/// The caches that could be read, in the order in which the user named them.
#[derive(Debug, Default)]
pub struct Imports {
    pub(super) caches: Vec<Imported>,
}

/// Starts to read the caches. `platforms` select among the images behind one name.
pub fn begin(sources: &[CacheSource], settings: &Settings, platforms: &[Platform]) -> Importing {
    let begin_one = |source: &CacheSource| {
        let (sender, receiver) = channel();
        let (of_thread, settings, platforms) = (source.clone(), settings.clone(), platforms.to_vec());
        // Not joined: one that is too slow is abandoned.
        std::thread::spawn(move || {
            // The receiver is gone if this took too long.
            let _ = sender.send(read(&of_thread, &settings, &platforms));
        });
        (source.clone(), receiver)
    };
    Importing { begun: Instant::now(), running: sources.iter().map(begin_one).collect() }
}

impl Importing {
    /// Waits for each cache no longer than its limit, and passes the outcome of each to `done`.
    pub fn finish(self, mut done: impl FnMut(&CacheSource, Result<(), ImportError>)) -> Imports {
        let mut imports = Imports::default();
        for (source, receiver) in self.running {
            let left = source.limit.saturating_sub(self.begun.elapsed());
            let outcome = match receiver.recv_timeout(left) {
                Ok(outcome) => outcome,
                Err(RecvTimeoutError::Timeout) => Err(ImportError::Slow { limit: source.limit }),
                Err(RecvTimeoutError::Disconnected) => Err(ImportError::Panicked),
            };
            done(&source, outcome.map(|imported| imports.caches.push(imported)));
        }
        imports
    }
}

fn read(source: &CacheSource, settings: &Settings, platforms: &[Platform]) -> Result<Imported, ImportError> {
    let place = source.place.open(settings)?;
    let mut document = read_document(place.as_ref(), platforms)?;
    document.drop_blobs(|digest| place.has_forgotten(digest));
    if let Some(age) = source.max_age {
        document.forget_older(store::now().saturating_sub_unsigned(age.as_secs()));
    }
    Ok(Imported { source: place.source(), document, mounts: source.mounts })
}

fn read_document(place: &dyn Place, platforms: &[Platform]) -> Result<Document, ImportError> {
    let bytes = place.manifest(MANIFEST_LIMIT)?.ok_or(ImportError::Missing)?;
    let index = match serde_json::from_slice::<Index>(&bytes) {
        Ok(index) if !index.manifests.is_empty() => index,
        _ => return read_list(place, &bytes),
    };
    let mut all = Document::new();
    for platform in platforms {
        let chosen = choose(&index, platform)?;
        let bytes = checked(chosen.digest, place.manifest_with(&chosen.digest, MANIFEST_LIMIT)?)?;
        all.merge(read_list(place, &bytes)?);
    }
    Ok(all)
}

/// The list of records behind a manifest.
fn read_list(place: &dyn Place, manifest: &[u8]) -> Result<Document, ImportError> {
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(ImportError::Manifest)?;
    let config = || -> Result<Vec<u8>, ImportError> {
        let digest = manifest.config.digest;
        checked(digest, read_bounded(place.open_blob(&digest)?, "the list of records", CONFIG_LIMIT)?)
    };
    match manifest.config.media_type.as_str() {
        CONFIG_TYPE => Ok(Document::parse(&config()?)?),
        BUILDKIT_CONFIG_TYPE => Err(ImportError::BuildKit),
        _ => inline::read(&manifest, &config()?)?.ok_or(ImportError::NoInlineCache),
    }
}

fn choose<'a>(index: &'a Index, platform: &Platform) -> Result<&'a Descriptor, ImportError> {
    if index.manifests.iter().any(|listed| listed.media_type == BUILDKIT_CONFIG_TYPE) {
        return Err(ImportError::BuildKit);
    }
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|listed| !listed.is_attestation()).collect();
    let unknown = Platform::default();
    let platforms = images.iter().map(|listed| listed.platform.as_ref().unwrap_or(&unknown));
    let best = best_match(platform, platforms).ok_or_else(|| ImportError::NoPlatform { wanted: platform.clone() })?;
    Ok(images[best])
}

fn checked(expected: BlobDigest, bytes: Vec<u8>) -> Result<Vec<u8>, ImportError> {
    let actual = BlobDigest::of(&bytes);
    if actual == expected { Ok(bytes) } else { Err(ImportError::WrongDigest { expected, actual }) }
}

/// The layer of a step, as found in caches.
#[derive(Debug, Clone)]
pub struct Found {
    pub claim: LayerClaim,
    /// Where to fetch its blob; empty if that is unknown.
    pub blobs: Vec<RemoteBlob>,
}

impl Imports {
    /// The record of the first cache that knows the key, with the blobs of all caches that have the layer.
    pub fn find(&self, key: &CacheKey) -> Option<Found> {
        let known = || self.caches.iter().filter_map(|cache| Some((cache, cache.document.records.get(key)?.layer)));
        let has_blob =
            |(cache, diff_id): &(&Imported, _)| cache.document.layers.get(diff_id).is_some_and(|it| it.blob.is_some());
        let (cache, diff_id) = known().find(has_blob).or_else(|| known().next())?;
        let layer = cache.document.layers.get(&diff_id)?;
        let claim = LayerClaim {
            diff_id,
            tree: layer.tree,
            stream_size: layer.stream_size,
            content_size: layer.content_size,
            made_at: layer.made_at,
        };
        let blob_in = |cache: &Imported| {
            let blob = cache.document.layers.get(&diff_id)?.blob.clone()?;
            let source = cache.source.clone();
            Some(RemoteBlob { digest: blob.digest, size: blob.size, media_type: blob.media_type, source })
        };
        Some(Found { claim, blobs: self.caches.iter().filter_map(blob_in).collect() })
    }

    /// The contents of cache mounts, and the sources of their blobs; if several caches have one, the last saved wins.
    pub fn mounts(&self) -> BTreeMap<&str, (&MountRecord, &str)> {
        let mut found: BTreeMap<&str, (&MountRecord, &str)> = BTreeMap::new();
        for cache in self.caches.iter().filter(|cache| cache.mounts) {
            for (id, mount) in &cache.document.mounts {
                if found.get(id.as_str()).is_none_or(|(other, _)| other.saved_at < mount.saved_at) {
                    found.insert(id, (mount, &cache.source));
                }
            }
        }
        found
    }
}
