//! Loads images from an archive into the store.

use super::candidate::{Candidate, LoadOptions};
use super::contents::{Contents, Source};
use super::{ArchiveError, docker_format, oci_format};
use crate::base::digest::ImageId;
use crate::image::Reference;
use crate::store::Store;
use crate::transport::transfer::{Outgoing, Receiver};

/// What is now in the store: an image, or an index of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image, or the one that stands for the index.
    pub id: ImageId,
    /// All images of an index; empty for a single image.
    pub index: Vec<ImageId>,
    /// Its names in the archive.
    pub names: Vec<Reference>,
    /// The names among these that meant other images before.
    pub replaced: Vec<(Reference, ImageId)>,
}

/// Reads all images of `source` into the store and tags them. After an error nothing is loaded.
pub fn load(store: &Store, source: Source<'_>, options: &LoadOptions) -> Result<Vec<Loaded>, ArchiveError> {
    let mut receiver = Receiver::new(store)?;
    let candidates = candidates(&mut Contents::read(source, &mut receiver)?, options)?;
    if candidates.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let candidates = merge(candidates);
    let named: Vec<_> = candidates.iter().map(|candidate| (candidate.names.clone(), candidate.outgoing())).collect();
    let images: Vec<_> = candidates.into_iter().flat_map(|candidate| candidate.images).collect();
    receiver.register(&images)?;
    let mut loaded = Vec::new();
    for (names, image) in named {
        let replaced = if options.untagged { Vec::new() } else { tag(store, &names, &image)? };
        loaded.push(Loaded { id: image.id, index: image.index, names, replaced });
    }
    Ok(loaded)
}

/// The images of an archive. One that is both an OCI layout and a docker archive is read as a layout, which has
/// manifests, with the tags of both.
fn candidates(contents: &mut Contents<'_, '_>, options: &LoadOptions) -> Result<Vec<Candidate>, ArchiveError> {
    let entries = docker_format::entries(contents)?;
    if let Some(index) = oci_format::index(contents)? {
        let mut candidates = oci_format::images(&index, contents, options)?;
        for entry in entries.iter().flatten() {
            let config = contents.required(&entry.config)?.digest;
            let has_it =
                |candidate: &&mut Candidate| candidate.images.iter().any(|image| image.config.digest() == config);
            let named = candidates.iter_mut().find(has_it);
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
        let same = merged.iter().position(|other| other.outgoing() == candidate.outgoing());
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

fn tag(store: &Store, names: &[Reference], image: &Outgoing) -> Result<Vec<(Reference, ImageId)>, ArchiveError> {
    let mut replaced = Vec::new();
    for name in names {
        let full = name.without_digest().with_default_tag();
        if let Some(old) = store.tag(&full.to_string())?
            && old != image.id
        {
            replaced.push((full.clone(), old));
        }
        store.write_tag(&image.to_tag(&full.to_string()))?;
    }
    Ok(replaced)
}
