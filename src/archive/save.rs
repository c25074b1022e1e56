//! From images in the store to an archive.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use serde::Serialize;

use super::ArchiveError;
use super::docker_format::DOCUMENT_LIMIT;
use super::oci_format::{CONTAINERD_NAME, REF_NAME};
use super::tar_output::TarOutput;
use crate::digest::{BlobDigest, DiffId, ImageId};
use crate::image::{Descriptor, Document, ImageConfig, Index, Manifest, Reference, media_type};
use crate::store::{LayerBlob, Store};
use crate::transfer::{LayerFormat, compressed_blob, describe, stream_size, write_stream};

const CREATED: &str = "org.opencontainers.image.created";

/// An image to write, with the names the archive shall give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    pub id: ImageId,
    pub names: Vec<Reference>,
}

/// What kind of archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    /// As `docker save` writes it today: uncompressed layers in an OCI layout, with docker's `manifest.json` and
    /// `repositories` beside it.
    Docker,
    /// An OCI layout. An image that was loaded or pulled keeps its manifest, and so its digest.
    Oci(LayerFormat),
}

/// Writes the images as a tar stream; what several of them share is written once. Gives the manifests' digests, in the
/// order of `images`.
pub fn save(
    store: &Store,
    images: &[NamedImage],
    format: SaveFormat,
    out: impl Write + Send,
) -> Result<Vec<BlobDigest>, ArchiveError> {
    let mut layout = Layout { store, output: TarOutput::new(out), written: HashSet::new(), manifests: Vec::new() };
    layout.output.folder("blobs/")?;
    layout.output.folder("blobs/sha256/")?;
    let mut entries = Vec::new();
    let mut digests = Vec::new();
    for image in images {
        let config = Document::parse("image config", store.read_blob(&image.id.into(), DOCUMENT_LIMIT)?)?;
        let manifest = match format {
            SaveFormat::Docker => layout.write_uncompressed(&config)?,
            SaveFormat::Oci(format) => layout.write_oci(image, &config, format)?,
        };
        digests.push(layout.describe(&config, &manifest, &image.names)?);
        entries.push(DockerEntry::new(image, &config));
    }
    let index = Index::new(std::mem::take(&mut layout.manifests));
    layout.output.file("index.json", &index.to_bytes())?;
    if format == SaveFormat::Docker {
        layout.output.file("manifest.json", &to_json(&entries))?;
    }
    layout.output.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let repositories = repositories(images, &entries);
    if format == SaveFormat::Docker && !repositories.is_empty() {
        layout.output.file("repositories", &to_json(&repositories))?;
    }
    layout.output.finish()?;
    Ok(digests)
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these maps have string keys only")
}

/// An OCI layout on its way into a tar stream.
struct Layout<'a, W> {
    store: &'a Store,
    output: TarOutput<W>,
    written: HashSet<BlobDigest>,
    manifests: Vec<Descriptor>,
}

impl<W: Write + Send> Layout<'_, W> {
    fn blob(&mut self, bytes: &[u8]) -> Result<BlobDigest, ArchiveError> {
        let digest = BlobDigest::of(bytes);
        if self.written.insert(digest) {
            self.output.file(&blob_name(&digest), bytes)?;
        }
        Ok(digest)
    }

    fn write_uncompressed(&mut self, config: &Document<ImageConfig>) -> Result<Vec<u8>, ArchiveError> {
        let mut layers = Vec::new();
        for diff_id in &config.rootfs.diff_ids {
            let size = stream_size(self.store, diff_id)?;
            let digest = BlobDigest::from(*diff_id);
            if self.written.insert(digest) {
                let store = self.store;
                self.output.stream(&blob_name(&digest), size, |out| Ok(write_stream(store, diff_id, out)?))?;
            }
            layers.push(Descriptor::new(media_type::OCI_LAYER, digest, size));
        }
        self.write_manifest(config, layers)
    }

    fn write_oci(
        &mut self,
        image: &NamedImage,
        config: &Document<ImageConfig>,
        format: LayerFormat,
    ) -> Result<Vec<u8>, ArchiveError> {
        if let Some(manifest) = self.original_manifest(&image.id)? {
            for layer in &manifest.layers {
                self.copy_blob(&layer.digest, layer.size)?;
            }
            self.blob(config.bytes())?;
            return Ok(manifest.bytes().to_owned());
        }
        let mut layers = Vec::new();
        for diff_id in &config.rootfs.diff_ids {
            let blob: LayerBlob = compressed_blob(self.store, diff_id, format)?;
            self.copy_blob(&blob.digest, blob.size)?;
            layers.push(describe(&blob));
        }
        self.write_manifest(config, layers)
    }

    /// The manifest that the image came with, when all its blobs are here.
    fn original_manifest(&self, id: &ImageId) -> Result<Option<Document<Manifest>>, ArchiveError> {
        let Some(digest) = self.store.image(id)?.and_then(|image| image.manifest) else { return Ok(None) };
        let manifest: Document<Manifest> = Document::parse("manifest", self.store.read_blob(&digest, DOCUMENT_LIMIT)?)?;
        let is_complete = manifest.layers.iter().all(|layer| self.store.has_blob(&layer.digest));
        Ok(is_complete.then_some(manifest))
    }

    fn write_manifest(
        &mut self,
        config: &Document<ImageConfig>,
        layers: Vec<Descriptor>,
    ) -> Result<Vec<u8>, ArchiveError> {
        let digest = self.blob(config.bytes())?;
        let manifest =
            Manifest::new(Descriptor::new(media_type::OCI_CONFIG, digest, config.bytes().len() as u64), layers);
        manifest.validate(config)?;
        Ok(manifest.to_bytes())
    }

    fn copy_blob(&mut self, digest: &BlobDigest, size: u64) -> Result<(), ArchiveError> {
        if !self.written.insert(*digest) {
            return Ok(());
        }
        let mut file = self.store.open_blob(digest)?;
        self.output.stream(&blob_name(digest), size, |mut out| {
            std::io::copy(&mut file, &mut out).map(drop).map_err(ArchiveError::Write)
        })
    }

    /// Writes the manifest and lists it in the index, once for each name.
    fn describe(
        &mut self,
        config: &ImageConfig,
        manifest: &[u8],
        names: &[Reference],
    ) -> Result<BlobDigest, ArchiveError> {
        let digest = self.blob(manifest)?;
        let mut descriptor = Descriptor::new(manifest_type(manifest), digest, manifest.len() as u64);
        descriptor.platform = Some(config.platform.clone()).filter(|platform| !platform.os.is_empty());
        if let Some(created) = config.created {
            descriptor.annotations.insert(CREATED.to_owned(), created.to_string());
        }
        for name in names {
            let mut named = descriptor.clone();
            named.annotations.insert(CONTAINERD_NAME.to_owned(), name.to_string());
            named.annotations.insert(REF_NAME.to_owned(), name.tag().unwrap_or_default().to_owned());
            self.manifests.push(named);
        }
        if names.is_empty() {
            self.manifests.push(descriptor);
        }
        Ok(digest)
    }
}

fn blob_name(digest: &BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The media type of a manifest's bytes: the one it says, or OCI's.
fn manifest_type(manifest: &[u8]) -> &'static str {
    let parsed: Option<Manifest> = serde_json::from_slice(manifest).ok();
    match parsed {
        Some(manifest) if manifest.media_type == media_type::DOCKER_MANIFEST => media_type::DOCKER_MANIFEST,
        _ => media_type::OCI_MANIFEST,
    }
}

/// An image in docker's `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip)]
    top: Option<DiffId>,
}

impl DockerEntry {
    fn new(image: &NamedImage, config: &ImageConfig) -> Self {
        let diff_ids = &config.rootfs.diff_ids;
        let names: Vec<String> = image.names.iter().map(Reference::familiar).collect();
        Self {
            config: blob_name(&image.id.into()),
            repo_tags: Some(names).filter(|names| !names.is_empty()),
            layers: diff_ids.iter().map(|diff_id| blob_name(&(*diff_id).into())).collect(),
            top: diff_ids.last().copied(),
        }
    }
}

/// Docker's `repositories`: repository, tag, top layer.
fn repositories(images: &[NamedImage], entries: &[DockerEntry]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (image, entry) in images.iter().zip(entries) {
        let Some(top) = entry.top else { continue };
        for name in &image.names {
            let Some(tag) = name.tag() else { continue };
            repositories.entry(name.familiar_repository()).or_default().insert(tag.to_owned(), top.hex());
        }
    }
    repositories
}
