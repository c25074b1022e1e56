//! Saves images from the store to an archive.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use serde::Serialize;

use super::ArchiveError;
use super::oci_format::{CONTAINERD_NAME, CREATED, REF_NAME};
use super::tar_output::TarOutput;
use crate::base::digest::{BlobDigest, DiffId};
use crate::image::{Descriptor, Document, ImageConfig, Index, Manifest, Reference};
use crate::store::Store;
use crate::transport::transfer::{
    Documents, LayerForm, LayerFormat, ManifestDocument, Outgoing, documents, make_all_present, write_stream,
};

/// What to write, and the names in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    pub image: Outgoing,
    pub names: Vec<Reference>,
}

/// What kind of archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    /// Like `docker save` today: uncompressed layers in an OCI layout, with docker's `manifest.json` and
    /// `repositories`.
    Docker,
    /// An OCI layout. An image that was loaded or pulled keeps its manifest, and therefore its digest.
    Oci(LayerFormat),
}

/// Writes the images as a tar stream, with shared content only once. Returns the digests of their manifests or indexes,
/// in the order of `images`.
pub fn save(
    store: &Store,
    images: &[NamedImage],
    format: SaveFormat,
    out: impl Write + Send,
) -> Result<Vec<BlobDigest>, ArchiveError> {
    let mut layout = Layout { store, output: TarOutput::new(out), written: HashSet::new(), listed: Vec::new() };
    layout.output.folder("blobs/")?;
    layout.output.folder("blobs/sha256/")?;
    let mut entries = Vec::new();
    let mut digests = Vec::new();
    let form = match format {
        SaveFormat::Docker => LayerForm::Streams,
        SaveFormat::Oci(format) => LayerForm::Blobs(format),
    };
    for image in images {
        let documents = documents(store, &image.image, form)?;
        layout.write(&documents, form)?;
        layout.list(&documents, image);
        digests.push(documents.top().digest);
        entries.push(DockerEntry::new(image, &documents));
    }
    let index = Index::new(std::mem::take(&mut layout.listed));
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

/// Writes an OCI layout of the image with layers as streams, without the blobs in `known`, which the reader has.
pub fn save_beside(
    store: &Store,
    image: &NamedImage,
    known: &HashSet<BlobDigest>,
    out: impl Write + Send,
) -> Result<(), ArchiveError> {
    let mut layout = Layout { store, output: TarOutput::new(out), written: known.clone(), listed: Vec::new() };
    let documents = documents(store, &image.image, LayerForm::Streams)?;
    layout.write(&documents, LayerForm::Streams)?;
    layout.list(&documents, image);
    let index = Index::new(std::mem::take(&mut layout.listed));
    layout.output.file("index.json", &index.to_bytes())?;
    layout.output.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    layout.output.finish().map(drop)
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these maps have string keys only")
}

/// An OCI layout being written to a tar stream.
struct Layout<'a, W> {
    store: &'a Store,
    output: TarOutput<W>,
    written: HashSet<BlobDigest>,
    /// The entries of `index.json`.
    listed: Vec<Descriptor>,
}

impl<W: Write + Send> Layout<'_, W> {
    fn write(&mut self, documents: &Documents, form: LayerForm) -> Result<(), ArchiveError> {
        for ManifestDocument { config, manifest, .. } in &documents.manifests {
            make_all_present(self.store, &config.rootfs.diff_ids)?;
            match form {
                LayerForm::Streams => self.streams(config, manifest)?,
                LayerForm::Blobs(_) => {
                    for layer in &manifest.layers {
                        self.copy_blob(&layer.digest, layer.size)?;
                    }
                }
            }
            self.blob(config.bytes())?;
            self.blob(manifest.bytes())?;
        }
        documents.index.as_ref().map_or(Ok(()), |index| self.blob(&index.bytes))
    }

    fn blob(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let digest = BlobDigest::of(bytes);
        if self.written.insert(digest) {
            self.output.file(&blob_name(&digest), bytes)?;
        }
        Ok(())
    }

    fn streams(&mut self, config: &ImageConfig, manifest: &Manifest) -> Result<(), ArchiveError> {
        for (diff_id, layer) in config.rootfs.diff_ids.iter().zip(&manifest.layers) {
            if self.written.insert(layer.digest) {
                let store = self.store;
                self.output
                    .stream(&blob_name(&layer.digest), layer.size, |out| Ok(write_stream(store, diff_id, out)?))?;
            }
        }
        Ok(())
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

    /// Lists the manifest or index in `index.json`, once for each name.
    fn list(&mut self, documents: &Documents, image: &NamedImage) {
        let mut descriptor = documents.top().clone();
        if let Some(created) = standing_for(image, documents).config.created {
            descriptor.annotations.entry(CREATED.to_owned()).or_insert_with(|| created.to_string());
        }
        for name in &image.names {
            let mut named = descriptor.clone();
            named.annotations.insert(CONTAINERD_NAME.to_owned(), name.to_string());
            named.annotations.insert(REF_NAME.to_owned(), name.tag().unwrap_or_default().to_owned());
            self.listed.push(named);
        }
        if image.names.is_empty() {
            self.listed.push(descriptor);
        }
    }
}

/// The image itself, or the one that stands for the index.
fn standing_for<'a>(image: &NamedImage, documents: &'a Documents) -> &'a ManifestDocument {
    let found = documents.manifests.iter().find(|manifest| manifest.image == image.image.id);
    found.unwrap_or(&documents.manifests[0])
}

fn blob_name(digest: &BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.hex())
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
    /// The format has no indexes: only the image that stands for one is named, as docker does.
    fn new(image: &NamedImage, documents: &Documents) -> Self {
        let config: &Document<ImageConfig> = &standing_for(image, documents).config;
        let diff_ids = &config.rootfs.diff_ids;
        let names: Vec<String> = image.names.iter().map(Reference::familiar).collect();
        Self {
            config: blob_name(&config.digest()),
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
