//! The target of a copy.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::source::Source;
use super::temporary::{TemporaryFolder, TemporaryStore};
use super::{CopyError, Place, layout};
use crate::base::digest::{BlobDigest, ImageId};
use crate::image::media_type::{Kind, classify};
use crate::image::{Descriptor, Document, ImageConfig, Manifest, Reference, best_match, host_platform};
use crate::store::Store;
use crate::transport::archive::{self, LoadOptions, NamedImage, SaveFormat};
use crate::transport::registry::{Client, Event, Progress, RemoteManifest, Repository, UploadSource, Uploaded, kind};
use crate::transport::transfer::{IncomingImage, IncomingLayer, LayerSource, Outgoing, Received, Receiver};

const CONFIG_LIMIT: u64 = 16 << 20;

pub trait Target: Sync {
    /// Copies the blob there, if it is missing.
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError>;

    /// Receives a manifest or index that another index names; everything that it names itself is there.
    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError>;

    /// Makes the location's name refer to the document; returns the digest that it has there.
    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError>;
}

pub fn open<'a>(store: &'a Store, client: &Client, place: &Place) -> Result<Box<dyn Target + 'a>, CopyError> {
    Ok(match place {
        Place::Registry(name) => Box::new(RegistryTarget { repository: client.repository(name)?, name: name.clone() }),
        Place::Layout { path, tag } => Box::new(LayoutTarget { path: path.clone(), tag: tag.clone() }),
        Place::LayoutArchive { path, tag } => {
            let folder = TemporaryFolder::new(store)?;
            let inner = LayoutTarget { path: folder.path(), tag: tag.clone() };
            Box::new(LayoutArchiveTarget { inner, _folder: folder, path: path.clone() })
        }
        Place::Store(name) => {
            let name: Reference = name.parse().map_err(|_| CopyError::NotInStore { name: name.clone() })?;
            Box::new(StoreTarget::new(store, name)?)
        }
        Place::DockerArchive { name: None, .. } => return Err(CopyError::Nameless),
        Place::DockerArchive { path, name: Some(name) } => {
            let folder = TemporaryFolder::new(store)?;
            Box::new(DockerArchiveTarget {
                inner: LayoutTarget { path: folder.path(), tag: None },
                _folder: folder,
                temporary: TemporaryStore::new(store)?,
                name: name.clone(),
                path: path.clone(),
            })
        }
    })
}

struct RegistryTarget {
    repository: Repository,
    name: Reference,
}

/// A source's blob on its way to a registry, which checks it.
struct Sending<'a> {
    source: &'a dyn Source,
    blob: &'a Descriptor,
    progress: &'a dyn Progress,
}

impl UploadSource for Sending<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        self.source.blob(self.blob, offset).map_err(io::Error::other)
    }

    fn sent(&self, bytes: u64) {
        self.progress.event(&self.blob.digest, Event::Moved { bytes });
    }
}

impl Target for RegistryTarget {
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError> {
        if let Some(from) = source.repository() {
            return Ok(self.repository.take_blob(from, blob, progress)?);
        }
        if blob.is_foreign() {
            return Ok(());
        }
        let sending = Sending { source, blob, progress };
        let uploaded = self.repository.upload(&blob.digest, blob.size, &[], &sending)?;
        let event = if uploaded == Uploaded::Existed { Event::Exists } else { Event::Complete };
        progress.event(&blob.digest, event);
        Ok(())
    }

    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError> {
        self.repository.put_manifest(&document.digest.to_string(), &document.media_type, &document.bytes)?;
        Ok(())
    }

    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError> {
        let name = self.name.tag().map_or_else(|| top.digest.to_string(), str::to_owned);
        Ok(self.repository.put_manifest(&name, &top.media_type, &top.bytes)?)
    }
}

struct LayoutTarget {
    path: PathBuf,
    tag: Option<String>,
}

impl Target for LayoutTarget {
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError> {
        let is_new = layout::put_blob(&self.path, blob, source)?;
        progress.event(&blob.digest, if is_new { Event::Complete } else { Event::Exists });
        Ok(())
    }

    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError> {
        layout::put_document(&self.path, document)
    }

    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError> {
        layout::list(&self.path, top, self.tag.as_deref())?;
        Ok(top.digest)
    }
}

struct LayoutArchiveTarget {
    inner: LayoutTarget,
    _folder: TemporaryFolder,
    path: PathBuf,
}

impl Target for LayoutArchiveTarget {
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError> {
        self.inner.put_blob(blob, source, progress)
    }

    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError> {
        self.inner.put_document(document)
    }

    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError> {
        let digest = self.inner.finish(top)?;
        archive::write_file(&self.path, |out| -> Result<(), CopyError> {
            Ok(archive::folder_to_tar(&self.inner.path, out)?)
        })?;
        Ok(digest)
    }
}

/// Received blobs by digest.
type ReceivedBlobs = Mutex<HashMap<BlobDigest, Arc<Received>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct StoreTarget<'a> {
    store: &'a Store,
    receiver: Receiver<'a>,
    received: ReceivedBlobs,
    /// The manifests of an index, in the order of arrival.
    parts: Mutex<Vec<RemoteManifest>>,
    name: Reference,
}

impl<'a> StoreTarget<'a> {
    fn new(store: &'a Store, name: Reference) -> Result<Self, CopyError> {
        let (received, parts) = (Mutex::default(), Mutex::default());
        Ok(Self { store, receiver: Receiver::new(store)?, received, parts, name })
    }

    /// The image of a manifest whose blobs have all arrived; `None` if it is not a runnable image.
    fn image(&self, document: &RemoteManifest) -> Result<Option<IncomingImage>, CopyError> {
        let manifest: Document<Manifest> = Document::parse("manifest", document.bytes.clone())?;
        if classify(&manifest.config.media_type) != Kind::Config {
            return Ok(None);
        }
        let received = lock(&self.received);
        let get = |blob: &Descriptor| {
            received.get(&blob.digest).cloned().ok_or_else(|| CopyError::NotInStore { name: blob.digest.to_string() })
        };
        let config = get(&manifest.config)?.read("image config", CONFIG_LIMIT)?;
        let config: Document<ImageConfig> = Document::parse("image config", config)?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            if !matches!(classify(&layer.media_type), Kind::Layer { .. }) {
                return Ok(None);
            }
            let blob = LayerSource::Received(get(layer)?);
            layers.push(IncomingLayer { media_type: Some(layer.media_type.clone()), blob });
        }
        Ok(Some(IncomingImage { manifest: Some(manifest), config, layers }))
    }
}

impl Target for StoreTarget<'_> {
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError> {
        let reader = source.blob(blob, 0)?.take(blob.size.saturating_add(1));
        let received = self.receiver.receive(reader, &format!("blob {}", blob.digest))?;
        if (received.digest, received.size) != (blob.digest, blob.size) {
            let (actual, size) = (received.digest, received.size);
            return Err(CopyError::WrongBlob { digest: blob.digest, actual, size });
        }
        lock(&self.received).insert(blob.digest, Arc::new(received));
        progress.event(&blob.digest, Event::Complete);
        Ok(())
    }

    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError> {
        if kind(document) == Kind::Manifest {
            lock(&self.parts).push(document.clone());
        }
        Ok(())
    }

    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError> {
        let is_index = kind(top) == Kind::Index;
        let parts = lock(&self.parts);
        let documents = if is_index { parts.as_slice() } else { std::slice::from_ref(top) };
        let mut images = Vec::new();
        for document in documents {
            images.extend(self.image(document)?);
        }
        self.receiver.register(&images)?;
        let ids: Vec<ImageId> = images.iter().map(IncomingImage::id).collect();
        let platforms = images.iter().map(|image| &image.config.platform);
        let standing = best_match(&host_platform(), platforms).unwrap_or(0);
        let id = *ids.get(standing).ok_or_else(|| CopyError::NotAnImage { media_type: top.media_type.clone() })?;
        let mut outgoing = Outgoing::single(id);
        if is_index {
            outgoing.index = ids;
        }
        self.store.write_tag(&outgoing.to_tag(&self.name.clone().with_default_tag().to_string()))?;
        Ok(top.digest)
    }
}

/// A docker archive, made through a temporary layout and store.
struct DockerArchiveTarget {
    inner: LayoutTarget,
    _folder: TemporaryFolder,
    temporary: TemporaryStore,
    name: Reference,
    path: PathBuf,
}

impl Target for DockerArchiveTarget {
    fn put_blob(&self, blob: &Descriptor, source: &dyn Source, progress: &dyn Progress) -> Result<(), CopyError> {
        self.inner.put_blob(blob, source, progress)
    }

    fn put_document(&self, document: &RemoteManifest) -> Result<(), CopyError> {
        self.inner.put_document(document)
    }

    fn finish(&self, top: &RemoteManifest) -> Result<BlobDigest, CopyError> {
        self.inner.finish(top)?;
        let source = archive::Source::Folder(self.inner.path.clone());
        let loaded = archive::load(&self.temporary.store, source, &LoadOptions::default())?;
        let none = || CopyError::NotAnImage { media_type: top.media_type.clone() };
        let id = loaded.first().ok_or_else(none)?.id;
        let image = NamedImage { image: Outgoing::single(id), names: vec![self.name.clone()] };
        archive::save_to_file(&self.temporary.store, &[image], SaveFormat::Docker, &self.path)?;
        Ok(top.digest)
    }
}
