//! Docker's own archive format: `manifest.json` names each image's config, layers and tags.

use serde::{Deserialize, Serialize};

use super::ArchiveError;
use super::candidate::Candidate;
use super::contents::Contents;
use crate::image::{Document, ImageConfig, Reference};
use crate::transport::transfer::{IncomingImage, IncomingLayer, LayerSource};

/// The size limit of a JSON document in an archive.
pub(super) const DOCUMENT_LIMIT: u64 = 16 << 20;

/// One image in `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ManifestEntry {
    pub config: String,
    pub repo_tags: Option<Vec<String>>,
    pub layers: Option<Vec<String>>,
}

/// The entries of `manifest.json`, if the archive has one.
pub(super) fn entries(contents: &mut Contents<'_, '_>) -> Result<Option<Vec<ManifestEntry>>, ArchiveError> {
    const NAME: &str = "manifest.json";
    let Some(file) = contents.file(NAME)? else { return Ok(None) };
    let bytes = file.read(NAME, DOCUMENT_LIMIT)?;
    let entries =
        serde_json::from_slice(&bytes).map_err(|source| ArchiveError::BadDocument { name: NAME.to_owned(), source })?;
    Ok(Some(entries))
}

/// The image of an entry, with its tags.
pub(super) fn image(entry: &ManifestEntry, contents: &mut Contents<'_, '_>) -> Result<Candidate, ArchiveError> {
    let config = contents.required(&entry.config)?;
    let config: Document<ImageConfig> = Document::parse("image config", config.read(&entry.config, DOCUMENT_LIMIT)?)?;
    let layers = entry
        .layers
        .iter()
        .flatten()
        .map(|name| Ok(IncomingLayer { media_type: None, blob: LayerSource::Received(contents.required(name)?) }));
    let layers = layers.collect::<Result<Vec<_>, ArchiveError>>()?;
    Ok(Candidate::single(names(entry)?, IncomingImage { manifest: None, config, layers }))
}

/// The tags of an entry.
pub(super) fn names(entry: &ManifestEntry) -> Result<Vec<Reference>, ArchiveError> {
    let parse = |name: &String| name.parse().map_err(|source| ArchiveError::BadName { name: name.clone(), source });
    entry.repo_tags.iter().flatten().map(parse).collect()
}
