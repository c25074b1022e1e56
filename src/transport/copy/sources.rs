//! The sources of copies.

use std::io::{Read, Seek as _, SeekFrom};

use super::layout::Layout;
use super::source::Source;
use super::temporary::{TemporaryFolder, TemporaryStore};
use super::{CopyError, Place};
use crate::base::digest::{BlobDigest, DiffId};
use crate::base::io_error::AtPath;
use crate::image::{Descriptor, Reference};
use crate::store::{Store, Tag};
use crate::transport::archive::{self, LoadOptions};
use crate::transport::registry::{Client, RemoteManifest, Repository};
use crate::transport::transfer::{Documents, LayerForm, LayerFormat, Outgoing, documents, make_present};

pub fn open<'a>(store: &'a Store, client: &Client, place: &Place) -> Result<Box<dyn Source + 'a>, CopyError> {
    Ok(match place {
        Place::Registry(reference) => {
            Box::new(RegistrySource { repository: client.repository(reference)?, reference: reference.clone() })
        }
        Place::Layout { path, tag } => {
            Box::new(LayoutSource { layout: Layout::read(path, tag.as_deref())?, _folder: None })
        }
        Place::LayoutArchive { path, tag } => {
            let folder = TemporaryFolder::unpacked(store, path)?;
            let layout = Layout::read(&folder.path(), tag.as_deref())?;
            Box::new(LayoutSource { layout, _folder: Some(folder) })
        }
        Place::Store(name) => {
            let image = find(store, name)?;
            let documents = documents(store, &image, LayerForm::Blobs(LayerFormat::Gzip))?;
            Box::new(StoreSource { store, documents })
        }
        Place::DockerArchive { path, name } => Box::new(ArchiveSource::open(store, path, name.as_ref())?),
    })
}

fn find(store: &Store, name: &str) -> Result<Outgoing, CopyError> {
    let missing = || CopyError::NotInStore { name: name.to_owned() };
    let found = store.find_image(name).map_err(|_| missing())?;
    let tag = match found.reference {
        Some(name) => store.whole_tag(&name.to_string())?.filter(|tag| tag.image == found.id),
        None => None,
    };
    Ok(Outgoing::of_tag(&tag.unwrap_or_else(|| Tag::single("", &found.id)))?)
}

struct RegistrySource {
    repository: Repository,
    reference: Reference,
}

impl Source for RegistrySource {
    fn top(&self) -> Result<RemoteManifest, CopyError> {
        Ok(self.repository.top(&self.reference)?)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError> {
        Ok(self.repository.manifest(&descriptor.digest.to_string())?)
    }

    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError> {
        Ok(match offset {
            0 => Box::new(self.repository.blob(&blob.digest, Some(blob.size))?),
            offset => Box::new(self.repository.blob_range(&blob.digest, offset, blob.size)?),
        })
    }

    fn repository(&self) -> Option<&Repository> {
        Some(&self.repository)
    }
}

struct LayoutSource {
    layout: Layout,
    /// Keeps the layout alive if it came in an archive.
    _folder: Option<TemporaryFolder>,
}

impl Source for LayoutSource {
    fn top(&self) -> Result<RemoteManifest, CopyError> {
        self.document(&self.layout.top)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError> {
        self.layout.document(descriptor)
    }

    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError> {
        self.layout.blob(blob, offset)
    }
}

struct StoreSource<'a> {
    store: &'a Store,
    documents: Documents,
}

impl StoreSource<'_> {
    fn find(&self, digest: &BlobDigest) -> Option<(&[u8], String)> {
        if let Some(index) = self.documents.index.as_ref().filter(|index| index.descriptor.digest == *digest) {
            return Some((&index.bytes, index.descriptor.media_type.clone()));
        }
        let found = self.documents.manifests.iter().find(|document| document.descriptor.digest == *digest);
        found.map(|document| (document.manifest.bytes(), document.descriptor.media_type.clone()))
    }

    /// The layer whose blob it is.
    fn diff_id(&self, digest: &BlobDigest) -> Option<DiffId> {
        self.documents.manifests.iter().find_map(|document| {
            let place = document.manifest.layers.iter().position(|layer| layer.digest == *digest)?;
            document.config.rootfs.diff_ids.get(place).copied()
        })
    }
}

impl Source for StoreSource<'_> {
    fn top(&self) -> Result<RemoteManifest, CopyError> {
        self.document(self.documents.top())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError> {
        let found = self.find(&descriptor.digest);
        let (bytes, media_type) = found.ok_or_else(|| CopyError::NotInStore { name: descriptor.digest.to_string() })?;
        Ok(RemoteManifest { bytes: bytes.to_owned(), media_type, digest: descriptor.digest })
    }

    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError> {
        if let Some(diff_id) = self.diff_id(&blob.digest) {
            make_present(self.store, &diff_id)?;
        }
        let mut file = self.store.open_blob(&blob.digest)?;
        file.seek(SeekFrom::Start(offset)).at("read", self.store.blob_path(&blob.digest))?;
        Ok(Box::new(file))
    }
}

/// A docker archive, whose layers have to be compressed and whose manifest has to be made: in a temporary store.
struct ArchiveSource {
    documents: Documents,
    temporary: TemporaryStore,
}

impl ArchiveSource {
    fn open(store: &Store, path: &std::path::Path, name: Option<&Reference>) -> Result<Self, CopyError> {
        let temporary = TemporaryStore::new(store)?;
        let file = std::fs::File::open(path).at("open", path)?;
        let source = archive::Source::Stream(Box::new(file));
        let loaded = archive::load(&temporary.store, source, &LoadOptions::default())?;
        let names = || {
            let names = loaded.iter().flat_map(|image| image.names.iter().map(Reference::familiar));
            names.collect::<Vec<_>>().join(", ")
        };
        let image = match (name, loaded.as_slice()) {
            (None, [image]) => image,
            (None, _) => return Err(CopyError::Ambiguous { path: path.to_owned(), offered: names() }),
            (Some(name), _) => {
                let found = loaded.iter().find(|image| image.names.contains(name));
                found.ok_or_else(|| CopyError::NotInLayout {
                    path: path.to_owned(),
                    wanted: name.familiar(),
                    offered: names(),
                })?
            }
        };
        let outgoing = find(&temporary.store, &image.id.to_string())?;
        let documents = documents(&temporary.store, &outgoing, LayerForm::Blobs(LayerFormat::Gzip))?;
        Ok(Self { documents, temporary })
    }

    fn inner(&self) -> StoreSource<'_> {
        StoreSource { store: &self.temporary.store, documents: self.documents.clone() }
    }
}

impl Source for ArchiveSource {
    fn top(&self) -> Result<RemoteManifest, CopyError> {
        self.inner().top()
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RemoteManifest, CopyError> {
        self.inner().document(descriptor)
    }

    fn blob(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + '_>, CopyError> {
        let path = self.temporary.store.blob_path(&blob.digest);
        let mut file = std::fs::File::open(&path).at("open", &path)?;
        file.seek(SeekFrom::Start(offset)).at("read", &path)?;
        Ok(Box::new(file))
    }
}
