//! Pushes images from the store to registries.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::lazy::{repository_of, source_of};
use super::{Client, Event, PARALLEL, Progress, RegistryError, Repository, UploadSource, Uploaded};
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::media_type::{Kind, classify};
use crate::image::{Descriptor, Document, ImageConfig, Reference};
use crate::store::{RemoteBlob, Store, StoreError};
use crate::transport::transfer::{
    Documents, LayerForm, LayerFormat, Outgoing, TransferError, documents, layer_descriptor, make_present,
};

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;

#[derive(Debug, Clone, Copy)]
pub struct PushOptions {
    /// How many blobs are uploaded at the same time.
    pub parallel: usize,
    /// The compression of layers that were made here.
    pub format: LayerFormat,
    /// An immutable tag stays where it is, and that is not an error.
    pub immutable_tags_may_stay: bool,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { parallel: PARALLEL, format: LayerFormat::Gzip, immutable_tags_may_stay: false }
    }
}

/// An image, or an index of several, and its destination name.
#[derive(Debug, Clone)]
pub struct Push {
    pub name: Reference,
    pub image: Outgoing,
}

/// What a name now refers to in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    pub name: Reference,
    pub digest: BlobDigest,
    pub media_type: String,
    /// The length of the manifest or index in bytes.
    pub size: u64,
}

/// Pushes all of `pushes`. No tag changes in any registry before the content of all of them has arrived and `progress`
/// allows it.
pub fn push(
    store: &Store,
    client: &Client,
    pushes: &[Push],
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<Vec<Pushed>, RegistryError> {
    let mut ready: Vec<(&Push, Repository, Documents)> = Vec::new();
    for push in pushes {
        let repository = client.repository(&push.name)?;
        let is_same = |(other, _, _): &&(&Push, Repository, Documents)| {
            other.image == push.image && other.name.repository() == push.name.repository()
        };
        // Another tag of something that is already there.
        if let Some((_, _, documents)) = ready.iter().find(is_same) {
            let documents = documents.clone();
            ready.push((push, repository, documents));
            continue;
        }
        let pushing = Pushing { store, repository: &repository, options, progress, stop: AtomicBool::new(false) };
        let documents = pushing.content(push)?;
        ready.push((push, repository, documents));
    }
    let mut listed_in = HashSet::new();
    for (push, repository, documents) in &ready {
        // Once for all tags of a repository.
        if !listed_in.insert((push.name.repository(), documents.top().digest)) {
            continue;
        }
        // A single image's manifest is uploaded with its tag.
        let listed = documents.index.is_some() || push.name.tag().is_none() || progress.holds_names();
        for document in documents.manifests.iter().filter(|_| listed) {
            let Descriptor { digest, media_type, .. } = &document.descriptor;
            repository.put_manifest(&digest.to_string(), media_type, document.manifest.bytes())?;
        }
        if let Some(index) = documents.index.as_ref().filter(|_| progress.holds_names()) {
            let Descriptor { digest, media_type, .. } = documents.top();
            repository.put_manifest(&digest.to_string(), media_type, &index.bytes)?;
        }
    }
    if !progress.may_name() {
        return Err(RegistryError::Cancelled);
    }
    let mut pushed = Vec::new();
    for (push, repository, documents) in &ready {
        let Descriptor { digest, media_type, size, .. } = documents.top();
        let bytes = match &documents.index {
            Some(index) => &index.bytes,
            None => documents.manifests[0].manifest.bytes(),
        };
        let tag = push.name.tag().map_or_else(|| digest.to_string(), str::to_owned);
        match repository.put_manifest(&tag, media_type, bytes) {
            Err(error) if options.immutable_tags_may_stay && is_of_immutable_tag(&error) => {}
            put => drop(put?),
        }
        let (name, media_type) = (push.name.clone(), media_type.clone());
        pushed.push(Pushed { name, digest: *digest, media_type, size: *size });
    }
    Ok(pushed)
}

/// The errors of Google's and Amazon's registries for an immutable tag.
fn is_of_immutable_tag(error: &RegistryError) -> bool {
    const SAID: [&str; 2] =
        ["The repository has enabled tag immutability", "cannot be overwritten because the repository is immutable"];
    let text = error.to_string();
    SAID.iter().any(|said| text.contains(said))
}

/// A layer being pushed.
struct Layer {
    diff_id: DiffId,
    blob: Descriptor,
}

/// The content of one or several images being pushed to one repository.
struct Pushing<'a> {
    store: &'a Store,
    repository: &'a Repository,
    options: &'a PushOptions,
    progress: &'a dyn Progress,
    /// One blob failed: the others can stop.
    stop: AtomicBool,
}

impl Pushing<'_> {
    /// Pushes all blobs to the repository. While some are sent, the next ones are compressed.
    fn content(&self, push: &Push) -> Result<Documents, RegistryError> {
        let form = LayerForm::Blobs(self.options.format);
        let with_manifest = self.with_manifest(push.image.images())?;
        let (send, receive) = sync_channel::<Layer>(1024);
        let receive = Mutex::new(receive);
        let failure = Mutex::new(None);
        let work = || {
            while let Some(layer) = next(&receive) {
                if self.is_stopped() {
                    continue;
                }
                if let Err(error) = self.layer(&layer) {
                    self.stop.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        let made = std::thread::scope(|scope| {
            for _ in 0..self.options.parallel.max(1) {
                scope.spawn(work);
            }
            let mut known = HashSet::new();
            let mut hand_over = |layer: Layer| {
                if known.insert(layer.blob.digest) {
                    self.progress.event(&layer.blob.digest, Event::Announced { size: layer.blob.size });
                    // The threads take layers until there are no more.
                    let _ = send.send(layer);
                }
            };
            let made = self.compress(push.image.images(), &mut hand_over).and_then(|()| {
                let documents = documents(self.store, &push.image, form)?;
                // Without its record, the manifest with which an image came is not known.
                let still = self.with_manifest(push.image.images())?;
                if let Some(gone) = with_manifest.iter().find(|id| !still.contains(id)) {
                    return Err(StoreError::NoImage(**gone).into());
                }
                for document in &documents.manifests {
                    for (blob, diff_id) in document.manifest.layers.iter().zip(&document.config.rootfs.diff_ids) {
                        hand_over(Layer { diff_id: *diff_id, blob: blob.clone() });
                    }
                }
                Ok(documents)
            });
            if made.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            drop(send);
            made
        });
        if self.progress.is_cancelled() {
            return Err(RegistryError::Cancelled);
        }
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let documents = made?;
        for document in &documents.manifests {
            self.repository.upload_bytes(document.config.bytes())?;
        }
        Ok(documents)
    }

    /// The images that came with a manifest.
    fn with_manifest<'i>(&self, images: &'i [ImageId]) -> Result<Vec<&'i ImageId>, RegistryError> {
        let mut found = Vec::new();
        for id in images {
            if self.store.image(id)?.is_some_and(|image| image.manifest.is_some()) {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Passes on layers of images that were made here, each as soon as it is compressed.
    fn compress(&self, images: &[ImageId], hand_over: &mut impl FnMut(Layer)) -> Result<(), RegistryError> {
        // An image that came with a manifest keeps that manifest's layers.
        let with_manifest = self.with_manifest(images)?;
        for id in images.iter().filter(|id| !with_manifest.contains(id)) {
            let config: Document<ImageConfig> =
                Document::parse("image config", self.store.read_blob(&(*id).into(), CONFIG_LIMIT)?)?;
            for diff_id in &config.rootfs.diff_ids {
                if self.is_stopped() {
                    return Ok(());
                }
                let blob = layer_descriptor(self.store, diff_id, self.options.format)?;
                hand_over(Layer { diff_id: *diff_id, blob });
            }
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.is_cancelled()
    }

    fn layer(&self, layer: &Layer) -> Result<(), RegistryError> {
        let Descriptor { digest, size, media_type, urls, .. } = &layer.blob;
        if classify(media_type) == (Kind::Layer { foreign: true }) && !urls.is_empty() {
            // Clients fetch it from its own location; not everyone may distribute it.
            self.progress.event(digest, Event::Foreign);
            return Ok(());
        }
        let elsewhere = self.known_elsewhere(layer)?;
        let source = StoreBlob { pushing: self, layer };
        let uploaded = self.repository.upload(digest, *size, &elsewhere, &source).map_err(own_error)?;
        let event = match &uploaded {
            Uploaded::Existed => Event::Exists,
            Uploaded::Mounted { from } => Event::Mounted { from },
            Uploaded::Sent => Event::Complete,
        };
        self.progress.event(digest, event);
        let blob = RemoteBlob {
            digest: *digest,
            size: *size,
            media_type: media_type.clone(),
            source: source_of(self.repository.reference()),
        };
        Ok(self.store.add_layer_source(&layer.diff_id, &blob)?)
    }

    /// Other repositories of the same registry that had the blob when it was last seen.
    fn known_elsewhere(&self, layer: &Layer) -> Result<Vec<String>, RegistryError> {
        let sources = self.store.layer_sources(&layer.diff_id)?;
        let same = sources.into_iter().filter(|source| source.digest == layer.blob.digest);
        let repositories = same.filter_map(|source| repository_of(&source.source));
        let near = repositories.filter(|repository| repository.domain() == self.repository.domain());
        Ok(near.map(|repository| repository.path().to_owned()).collect())
    }
}

fn next(layers: &Mutex<Receiver<Layer>>) -> Option<Layer> {
    layers.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// An error of the store that an upload's source returned.
fn own_error(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Source { what, source } => match source.downcast::<TransferError>() {
            Ok(own) => own.into(),
            Err(source) => RegistryError::Source { what, source },
        },
        other => other,
    }
}

/// A layer's blob in the store; fetched first if it is remote.
struct StoreBlob<'a> {
    pushing: &'a Pushing<'a>,
    layer: &'a Layer,
}

impl UploadSource for StoreBlob<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let store = self.pushing.store;
        make_present(store, &self.layer.diff_id).map_err(io::Error::other)?;
        let mut file = File::open(store.blob_path(&self.layer.blob.digest))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(Stoppable { file, pushing: self.pushing }))
    }

    fn sent(&self, bytes: u64) {
        self.pushing.progress.event(&self.layer.blob.digest, Event::Moved { bytes });
    }
}

struct Stoppable<'a> {
    file: File,
    pushing: &'a Pushing<'a>,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pushing.is_stopped() {
            return Err(io::Error::other("it is no longer of use"));
        }
        self.file.read(buffer)
    }
}
