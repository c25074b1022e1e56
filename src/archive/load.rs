//! From an archive to images in the store.

use super::contents::{Contents, Source};
use super::{ArchiveError, docker_format, oci_format};
use crate::digest::{BlobDigest, ImageId};
use crate::image::{Platform, Reference};
use crate::store::Store;
use crate::transfer::{IncomingImage, Receiver};

/// What to take out of an archive.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Of an image with several platforms, the one to take; the host's when nothing is said.
    pub platform: Option<Platform>,
    /// Take only this image of an OCI layout.
    pub select: Option<Selection>,
    /// Leave the images untagged: they serve as a build's base, and nobody asked to have them by name.
    pub untagged: bool,
}

/// How one image of an OCI layout is named (`oci-layout://path:tag`, `oci-layout://path@digest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The tag, or the full name, that the layout gives it.
    Name(String),
    /// The digest of its manifest or index.
    Digest(BlobDigest),
}

/// An image that is in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub id: ImageId,
    /// The names the archive gives it.
    pub names: Vec<Reference>,
    /// Which of the names meant other images until now.
    pub replaced: Vec<(Reference, ImageId)>,
}

/// An image of the archive, not yet checked against its layers.
pub(super) struct Candidate {
    pub names: Vec<Reference>,
    pub image: IncomingImage,
}

/// Reads all images of `source` into the store and tags them. When anything is wrong nothing is loaded.
pub fn load(store: &Store, source: Source<'_>, options: &LoadOptions) -> Result<Vec<Loaded>, ArchiveError> {
    let mut receiver = Receiver::new(store)?;
    let candidates = candidates(&mut Contents::read(source, &mut receiver)?, options)?;
    if candidates.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let (names, images): (Vec<_>, Vec<_>) =
        merge(candidates).into_iter().map(|candidate| (candidate.names, candidate.image)).unzip();
    receiver.register(&images)?;
    let mut loaded = Vec::new();
    for (names, image) in names.into_iter().zip(&images) {
        let id = image.id();
        let replaced = if options.untagged { Vec::new() } else { tag(store, &names, &id)? };
        loaded.push(Loaded { id, names, replaced });
    }
    Ok(loaded)
}

/// The images of an archive. One that is both an OCI layout and a docker archive is read as a layout, which has
/// manifests, and its tags are taken from both.
fn candidates(contents: &mut Contents<'_, '_>, options: &LoadOptions) -> Result<Vec<Candidate>, ArchiveError> {
    let entries = docker_format::entries(contents)?;
    if let Some(index) = oci_format::index(contents)? {
        let mut candidates = oci_format::images(&index, contents, options)?;
        for entry in entries.iter().flatten() {
            let config = contents.required(&entry.config)?.digest;
            let named = candidates.iter_mut().find(|candidate| candidate.image.config.digest() == config);
            if let Some(candidate) = named {
                candidate.names.extend(docker_format::names(entry)?);
            }
        }
        return Ok(candidates);
    }
    match entries {
        Some(entries) => entries.iter().map(|entry| docker_format::image(entry, contents)).collect(),
        None if contents.file("repositories")?.is_some() => Err(ArchiveError::TooOld),
        None => Err(ArchiveError::NotAnImage),
    }
}

/// One candidate for each image, with all of its names.
fn merge(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut merged: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let same = merged.iter().position(|other| other.image.id() == candidate.image.id());
        let target = same.unwrap_or(merged.len());
        let names = candidate.names.clone();
        if same.is_none() {
            merged.push(Candidate { names: Vec::new(), ..candidate });
        }
        for name in names {
            if !merged[target].names.contains(&name) {
                merged[target].names.push(name);
            }
        }
    }
    merged
}

fn tag(store: &Store, names: &[Reference], id: &ImageId) -> Result<Vec<(Reference, ImageId)>, ArchiveError> {
    let mut replaced = Vec::new();
    for name in names {
        let full = name.without_digest().with_default_tag();
        if let Some(old) = store.tag(&full.to_string())?
            && old != *id
        {
            replaced.push((full.clone(), old));
        }
        store.set_tag(&full.to_string(), id)?;
    }
    Ok(replaced)
}
