//! Pulls images from a registry into the store.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::lazy::source_of;
use super::{Event, Progress, RegistryError, Repository, Resolved};
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::media_type::{Kind, classify};
use crate::image::{Descriptor, Platform, Reference};
use crate::store::{RemoteBlob, Store};
use crate::transport::transfer::{IncomingImage, IncomingLayer, LayerSource, Receiver, TransferError};

/// How many layers are transferred in parallel, as in docker.
pub const PARALLEL: usize = 3;

#[derive(Debug, Clone)]
pub struct PullOptions {
    pub platform: Option<Platform>,
    /// How many layers are downloaded in parallel.
    pub parallel: usize,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self { platform: None, parallel: PARALLEL }
    }
}

/// An image that is now in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub id: ImageId,
    /// The digest that the name refers to: of an index or a manifest.
    pub digest: BlobDigest,
    /// False if the name already meant this image.
    pub is_new: bool,
}

/// Pulls the image that the reference, which must be of the repository, means, with all its layers, and tags it. After
/// an error the store is unchanged.
pub fn pull(
    store: &Store,
    repository: &Repository,
    reference: &Reference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Pulled, RegistryError> {
    let resolved = repository.resolve(reference, options.platform.as_ref())?;
    let id = ImageId::from(resolved.config.digest());
    repository.fetch(store, &resolved, options.parallel, progress)?;
    name(store, reference, &resolved, id)
}

/// Tags the image with the reference, and with the one that has the digest instead.
pub(super) fn name(
    store: &Store,
    reference: &Reference,
    resolved: &Resolved,
    id: ImageId,
) -> Result<Pulled, RegistryError> {
    let digest = resolved.digest;
    let mut names = vec![reference.with_digest(&digest).to_string()];
    if reference.digest().is_none() {
        names.push(reference.to_string());
    }
    let mut is_new = false;
    for name in names {
        is_new |= store.tag(&name)? != Some(id);
        store.set_tag(&name, &id)?;
    }
    Ok(Pulled { id, digest, is_new })
}

impl Repository {
    /// Pulls a resolved image into the store, untagged: only the layers that are missing.
    pub fn fetch(
        &self,
        store: &Store,
        resolved: &Resolved,
        parallel: usize,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        resolved.manifest.validate(&resolved.config).map_err(TransferError::from)?;
        let receiver = Receiver::new(store)?;
        let mut sources: Vec<Option<LayerSource>> = Vec::new();
        let mut missing: Vec<&Descriptor> = Vec::new();
        // Nothing is reported for an image that is already here.
        let is_known = store.image(&ImageId::from(resolved.config.digest()))?.is_some();
        for (descriptor, diff_id) in resolved.manifest.layers.iter().zip(&resolved.config.rootfs.diff_ids) {
            let stored = stored(store, descriptor, diff_id)?;
            if stored.is_none() || !is_known {
                progress.event(&descriptor.digest, Event::Announced { size: descriptor.size });
            }
            if stored.is_some() {
                if !is_known {
                    progress.event(&descriptor.digest, Event::Exists);
                }
            } else if missing.iter().all(|other| other.digest != descriptor.digest) {
                missing.push(descriptor);
            }
            sources.push(stored);
        }
        let fetching = Fetching { repository: self, receiver: &receiver, progress, stop: AtomicBool::new(false) };
        let fetched = fetching.all(&missing, parallel)?;
        let layers = resolved.manifest.layers.iter().zip(sources).map(|(descriptor, stored)| {
            let place = missing.iter().position(|other| other.digest == descriptor.digest);
            let blob = stored.or_else(|| Some(fetched[place?].clone()));
            IncomingLayer {
                media_type: Some(descriptor.media_type.clone()),
                blob: blob.expect("what is not stored was fetched"),
            }
        });
        let layers = layers.collect();
        let image =
            IncomingImage { manifest: Some(resolved.manifest.clone()), config: resolved.config.clone(), layers };
        receiver.register(std::slice::from_ref(&image))?;
        // A later push to another repository of the registry can mount the layers from here.
        for (descriptor, diff_id) in resolved.manifest.layers.iter().zip(&resolved.config.rootfs.diff_ids) {
            if descriptor.urls.is_empty() {
                let Descriptor { digest, size, media_type, .. } = descriptor.clone();
                let source = source_of(self.reference());
                store.add_layer_source(diff_id, &RemoteBlob { digest, size, media_type, source })?;
            }
        }
        Ok(())
    }
}

/// Layers being downloaded into staging.
struct Fetching<'a> {
    repository: &'a Repository,
    receiver: &'a Receiver<'a>,
    progress: &'a dyn Progress,
    /// One failed: the others can stop.
    stop: AtomicBool,
}

impl Fetching<'_> {
    /// Fetches all of them, `parallel` at a time; returns them in order.
    fn all(&self, layers: &[&Descriptor], parallel: usize) -> Result<Vec<LayerSource>, RegistryError> {
        let next = AtomicUsize::new(0);
        let fetched = Mutex::new(vec![None; layers.len()]);
        let failure = Mutex::new(None);
        let work = || {
            while !self.is_stopped() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(descriptor) = layers.get(index) else { break };
                match self.layer(descriptor) {
                    Ok(layer) => fetched.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(layer),
                    Err(error) => {
                        self.stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..parallel.clamp(1, layers.len().max(1)) {
                scope.spawn(work);
            }
            work();
        });
        if self.progress.is_cancelled() {
            return Err(RegistryError::Cancelled);
        }
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(fetched.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.is_cancelled()
    }

    fn layer(&self, descriptor: &Descriptor) -> Result<LayerSource, RegistryError> {
        let Descriptor { digest, size: expected, .. } = *descriptor;
        let is_foreign = classify(&descriptor.media_type) == (Kind::Layer { foreign: true });
        let reader = match is_foreign && !descriptor.urls.is_empty() {
            true => self.repository.foreign_blob(descriptor)?,
            false => self.repository.blob(&digest, Some(expected))?,
        };
        let reader = Watched { reader, got: 0, fetching: self, digest };
        let received = self.receiver.receive(reader, &format!("layer {digest}"))?;
        if received.size != expected {
            return Err(TransferError::WrongSize { digest, expected, actual: received.size }.into());
        }
        if received.digest != digest {
            return Err(TransferError::WrongDigest { expected: digest, actual: received.digest }.into());
        }
        self.progress.event(&digest, Event::Complete);
        Ok(LayerSource::Received(Arc::new(received)))
    }
}

/// Reports a layer's progress, and stops if another one failed.
struct Watched<'a, R> {
    reader: R,
    got: u64,
    fetching: &'a Fetching<'a>,
    digest: BlobDigest,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.fetching.is_stopped() {
            return Err(io::Error::other("it is no longer of use"));
        }
        let count = self.reader.read(buffer)?;
        self.got += count as u64;
        self.fetching.progress.event(&self.digest, Event::Moved { bytes: self.got });
        Ok(count)
    }
}

/// The layer if the store already has it.
fn stored(store: &Store, descriptor: &Descriptor, diff_id: &DiffId) -> Result<Option<LayerSource>, RegistryError> {
    let blobs = store.layer_blobs(diff_id)?;
    let blob = blobs.into_iter().find(|blob| blob.digest == descriptor.digest);
    Ok(blob.map(|blob| LayerSource::Stored { diff_id: *diff_id, blob: blob.digest }))
}
