//! The documents of an outgoing image: its manifest, and the index of a multi-platform image.

use super::{LayerFormat, TransferError, layer_descriptor, stream_size};
use crate::base::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{
    AnnotationLevel, Annotations, Descriptor, Document, ImageConfig, Index, Manifest, Platform, media_type,
};
use crate::store::{Store, Tag};

/// The size limit of a config or manifest.
const DOCUMENT_LIMIT: u64 = 16 << 20;

/// What is sent as one: an image, or an index of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The image, or the one that stands for the index.
    pub id: ImageId,
    /// All images of an index, in its order; empty for a single image.
    pub index: Vec<ImageId>,
    pub annotations: Annotations,
    /// Documents have docker's media types, not OCI's.
    pub docker_media_types: bool,
}

impl Outgoing {
    /// A single image.
    pub fn single(id: ImageId) -> Self {
        Self { id, index: Vec::new(), annotations: Annotations::default(), docker_media_types: false }
    }

    /// Everything that a tag means.
    pub fn of_tag(tag: &Tag) -> Result<Self, TransferError> {
        let annotations = Annotations::from_json(tag.annotations.as_deref())
            .map_err(|source| TransferError::BadAnnotations { name: tag.name.clone(), source })?;
        Ok(Self { id: tag.image, index: tag.index.clone(), annotations, docker_media_types: false })
    }

    /// The tag with that meaning.
    pub fn to_tag(&self, name: &str) -> Tag {
        Tag {
            name: name.to_owned(),
            image: self.id,
            index: self.index.clone(),
            annotations: self.annotations.to_json(),
        }
    }

    pub fn images(&self) -> &[ImageId] {
        if self.index.is_empty() { std::slice::from_ref(&self.id) } else { &self.index }
    }
}

/// The form of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerForm {
    /// As tar streams, written by [`super::write_stream`] while they are sent; no blob is kept.
    Streams,
    /// As blobs in this format, made now if they are missing. An image that came with a manifest keeps that manifest's
    /// layers.
    Blobs(LayerFormat),
}

/// The documents of [`Outgoing`], ready to be written or pushed.
#[derive(Debug, Clone)]
pub struct Documents {
    /// One for each image, in order.
    pub manifests: Vec<ManifestDocument>,
    pub index: Option<IndexDocument>,
}

#[derive(Debug, Clone)]
pub struct ManifestDocument {
    pub image: ImageId,
    pub config: Document<ImageConfig>,
    /// Its layers' descriptors refer to blobs of the store, or are diffIDs if the layers are sent as streams.
    pub manifest: Document<Manifest>,
    /// The manifest as an index lists it: with platform and annotations.
    pub descriptor: Descriptor,
}

#[derive(Debug, Clone)]
pub struct IndexDocument {
    pub bytes: Vec<u8>,
    /// The index as `index.json` lists it, with annotations.
    pub descriptor: Descriptor,
}

impl Documents {
    /// What the name refers to: the index, or the only manifest.
    pub fn top(&self) -> &Descriptor {
        match &self.index {
            Some(index) => &index.descriptor,
            None => &self.manifests[0].descriptor,
        }
    }
}

/// Makes the documents. Layers of images that never left the store are compressed for this, and kept.
pub fn documents(store: &Store, outgoing: &Outgoing, form: LayerForm) -> Result<Documents, TransferError> {
    let manifests = outgoing
        .images()
        .iter()
        .map(|id| manifest_document(store, id, outgoing, form))
        .collect::<Result<Vec<_>, _>>()?;
    let index = (!outgoing.index.is_empty()).then(|| index_document(&manifests, outgoing));
    Ok(Documents { manifests, index })
}

fn index_document(manifests: &[ManifestDocument], outgoing: &Outgoing) -> IndexDocument {
    let annotations = &outgoing.annotations;
    let everywhere = Platform::default();
    let mut index = Index::new(manifests.iter().map(|manifest| manifest.descriptor.clone()).collect());
    index.annotations = annotations.of(AnnotationLevel::Index, &everywhere);
    if outgoing.docker_media_types {
        index.media_type = media_type::DOCKER_INDEX.to_owned();
    }
    let bytes = index.to_indented_bytes();
    let mut descriptor = Descriptor::new(&index.media_type, BlobDigest::of(&bytes), bytes.len() as u64);
    descriptor.annotations = annotations.of(AnnotationLevel::IndexDescriptor, &everywhere);
    IndexDocument { bytes, descriptor }
}

fn manifest_document(
    store: &Store,
    id: &ImageId,
    outgoing: &Outgoing,
    form: LayerForm,
) -> Result<ManifestDocument, TransferError> {
    let config: Document<ImageConfig> =
        Document::parse("image config", store.read_blob(&(*id).into(), DOCUMENT_LIMIT)?)?;
    let annotations = &outgoing.annotations;
    let original = match form {
        LayerForm::Blobs(_) => original_manifest(store, id, &config.rootfs.diff_ids)?,
        LayerForm::Streams => None,
    };
    let own = annotations.of(AnnotationLevel::Manifest, &config.platform);
    let manifest = match original {
        Some(original) if own.is_empty() && !outgoing.docker_media_types => original,
        original => {
            let mut manifest = match original {
                Some(original) => original.into_value(),
                None => new_manifest(store, &config, form)?,
            };
            manifest.annotations.extend(own);
            if outgoing.docker_media_types {
                give_dockers_types(&mut manifest);
            }
            manifest.validate(&config)?;
            Document::parse("manifest", manifest.to_bytes())?
        }
    };
    let size = manifest.bytes().len() as u64;
    let mut descriptor = Descriptor::new(manifest_type(&manifest), manifest.digest(), size);
    let platform = config.platform.normalized();
    descriptor.annotations = annotations.of(AnnotationLevel::ManifestDescriptor, &platform);
    descriptor.platform = (!config.platform.os.is_empty()).then_some(platform);
    Ok(ManifestDocument { image: *id, config, manifest, descriptor })
}

/// docker's media types in place of OCI's; layers without a docker type keep theirs.
fn give_dockers_types(manifest: &mut Manifest) {
    manifest.media_type = media_type::DOCKER_MANIFEST.to_owned();
    manifest.config.media_type = media_type::DOCKER_CONFIG.to_owned();
    for layer in &mut manifest.layers {
        let dockers = match layer.media_type.as_str() {
            media_type::OCI_LAYER => "application/vnd.docker.image.rootfs.diff.tar",
            media_type::OCI_LAYER_GZIP => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            media_type::OCI_LAYER_ZSTD => "application/vnd.docker.image.rootfs.diff.tar.zstd",
            _ => continue,
        };
        layer.media_type = dockers.to_owned();
    }
}

/// The media type of a manifest: its own, or OCI's by default.
fn manifest_type(manifest: &Manifest) -> &'static str {
    match manifest.media_type.as_str() {
        media_type::DOCKER_MANIFEST => media_type::DOCKER_MANIFEST,
        _ => media_type::OCI_MANIFEST,
    }
}

/// The manifest that the image came with, if all its blobs are local or can be fetched.
fn original_manifest(
    store: &Store,
    id: &ImageId,
    diff_ids: &[DiffId],
) -> Result<Option<Document<Manifest>>, TransferError> {
    let Some(digest) = store.image(id)?.and_then(|image| image.manifest) else { return Ok(None) };
    let manifest: Document<Manifest> = Document::parse("manifest", store.read_blob(&digest, DOCUMENT_LIMIT)?)?;
    for (layer, diff_id) in manifest.layers.iter().zip(diff_ids) {
        let is_elsewhere =
            || store.layer_sources(diff_id).map(|found| found.iter().any(|blob| blob.digest == layer.digest));
        // A layer that is local in another form is not fetched in this one.
        if !store.has_blob(&layer.digest) && (store.has_layer(diff_id)? || !is_elsewhere()?) {
            return Ok(None);
        }
    }
    Ok(Some(manifest))
}

fn new_manifest(store: &Store, config: &Document<ImageConfig>, form: LayerForm) -> Result<Manifest, TransferError> {
    let layer = |diff_id: &DiffId| match form {
        LayerForm::Streams => {
            Ok(Descriptor::new(media_type::OCI_LAYER, BlobDigest::from(*diff_id), stream_size(store, diff_id)?))
        }
        LayerForm::Blobs(format) => layer_descriptor(store, diff_id, format),
    };
    let layers = config.rootfs.diff_ids.iter().map(layer).collect::<Result<Vec<_>, TransferError>>()?;
    let size = config.bytes().len() as u64;
    Ok(Manifest::new(Descriptor::new(media_type::OCI_CONFIG, config.digest(), size), layers))
}
