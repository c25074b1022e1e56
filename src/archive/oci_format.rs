//! OCI layouts: `index.json` leads to manifests, directly or through nested indexes with one image for each platform.

use std::collections::BTreeMap;

use super::ArchiveError;
use super::contents::Contents;
use super::docker_format::DOCUMENT_LIMIT;
use super::load::{Candidate, LoadOptions, Selection};
use crate::image::media_type::{self, Kind};
use crate::image::{
    Descriptor, Document, ImageConfig, Index, Manifest, Platform, Reference, best_match, host_platform,
};
use crate::transfer::{IncomingImage, IncomingLayer, LayerSource, TransferError};

/// Where docker and BuildKit write the full name.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The tag alone (docker, BuildKit), or the full name (podman, skopeo).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

const ENTRY_LIMIT: usize = 10_000;
const DEPTH_LIMIT: usize = 8;

/// The archive's `index.json`, if it has one.
pub(super) fn index(contents: &mut Contents<'_, '_>) -> Result<Option<Index>, ArchiveError> {
    const NAME: &str = "index.json";
    let Some(file) = contents.file(NAME)? else { return Ok(None) };
    let bytes = file.read(NAME, DOCUMENT_LIMIT)?;
    let index =
        serde_json::from_slice(&bytes).map_err(|source| ArchiveError::BadDocument { name: NAME.to_owned(), source })?;
    Ok(Some(index))
}

/// An image to choose: its manifest, its config, and what the index calls it.
struct Found {
    manifest: Document<Manifest>,
    config: Document<ImageConfig>,
    platform: Platform,
}

/// The images of the layout: of those that have one name, or come out of one nested index, the one that runs best on the
/// platform asked for.
pub(super) fn images(
    index: &Index,
    contents: &mut Contents<'_, '_>,
    options: &LoadOptions,
) -> Result<Vec<Candidate>, ArchiveError> {
    let mut walk = Walk { contents, entries_left: ENTRY_LIMIT };
    // Entries with one name are platforms of one image; entries without a name are images of their own.
    let mut groups: BTreeMap<(Option<Reference>, usize), Vec<Found>> = BTreeMap::new();
    for (position, descriptor) in selected(index, options)?.into_iter().enumerate() {
        let name = name_of(descriptor)?;
        let position = if name.is_some() { 0 } else { position };
        let found = walk.follow(descriptor, DEPTH_LIMIT)?;
        groups.entry((name, position)).or_default().extend(found);
    }
    let mut candidates = Vec::new();
    for ((name, _), found) in groups {
        if found.is_empty() {
            continue;
        }
        let chosen = choose(found, options)?;
        candidates.push(Candidate { names: name.into_iter().collect(), image: incoming(chosen, contents)? });
    }
    Ok(candidates)
}

/// The entries of `index.json` that were asked for.
fn selected<'a>(index: &'a Index, options: &LoadOptions) -> Result<Vec<&'a Descriptor>, ArchiveError> {
    let Some(selection) = &options.select else { return Ok(index.manifests.iter().collect()) };
    let name = |key: &str, descriptor: &'a Descriptor| descriptor.annotations.get(key).map(String::as_str);
    let is_wanted = |descriptor: &&'a Descriptor| match selection {
        Selection::Digest(digest) => descriptor.digest == *digest,
        Selection::Name(wanted) => {
            let names = [name(REF_NAME, descriptor), name(CONTAINERD_NAME, descriptor)];
            let suffix = format!(":{wanted}");
            names.into_iter().flatten().any(|name| name == wanted || name.ends_with(&suffix))
        }
    };
    let found: Vec<_> = index.manifests.iter().filter(is_wanted).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let wanted = match selection {
        Selection::Digest(digest) => digest.to_string(),
        Selection::Name(name) => name.clone(),
    };
    let offered = index.manifests.iter().map(|descriptor| match name(REF_NAME, descriptor) {
        Some(name) => name.to_owned(),
        None => descriptor.digest.to_string(),
    });
    Err(ArchiveError::NoSuchImage { wanted, offered: offered.collect::<Vec<_>>().join(", ") })
}

/// The name that an entry of `index.json` gives its image. A bare tag names nothing: the repository is not known.
fn name_of(descriptor: &Descriptor) -> Result<Option<Reference>, ArchiveError> {
    let annotation = |key: &str| descriptor.annotations.get(key).filter(|name| !name.is_empty());
    let full = annotation(CONTAINERD_NAME).or(annotation(REF_NAME).filter(|name| name.contains(['/', ':'])));
    full.map(|name| name.parse().map_err(|source| ArchiveError::BadName { name: name.clone(), source })).transpose()
}

fn choose(mut found: Vec<Found>, options: &LoadOptions) -> Result<Found, ArchiveError> {
    let wanted = options.platform.clone().unwrap_or_else(host_platform);
    let chosen = match best_match(&wanted, found.iter().map(|found| &found.platform)) {
        Some(chosen) => chosen,
        // Nobody asked for a platform, and there is no choice: docker loads it too.
        None if found.len() == 1 && options.platform.is_none() => 0,
        None => {
            let offered = found.iter().map(|found| found.platform.to_string()).collect::<Vec<_>>().join(", ");
            return Err(ArchiveError::NoPlatform { wanted: wanted.to_string(), offered });
        }
    };
    Ok(found.swap_remove(chosen))
}

fn incoming(found: Found, contents: &mut Contents<'_, '_>) -> Result<IncomingImage, ArchiveError> {
    let layers = found.manifest.layers.iter().map(|descriptor| {
        let blob = contents.blob(&descriptor.digest)?;
        check_size(descriptor, blob.size)?;
        Ok(IncomingLayer { media_type: Some(descriptor.media_type.clone()), blob: LayerSource::Received(blob) })
    });
    let layers = layers.collect::<Result<Vec<_>, ArchiveError>>()?;
    Ok(IncomingImage { manifest: Some(found.manifest), config: found.config, layers })
}

fn check_size(descriptor: &Descriptor, actual: u64) -> Result<(), ArchiveError> {
    let Descriptor { digest, size: expected, .. } = *descriptor;
    if actual == expected { Ok(()) } else { Err(TransferError::WrongSize { digest, expected, actual }.into()) }
}

/// Follows descriptors to images, within bounds.
struct Walk<'c, 'r, 's> {
    contents: &'c mut Contents<'r, 's>,
    entries_left: usize,
}

impl Walk<'_, '_, '_> {
    /// The images that `descriptor` leads to. Attestations and other artifacts are none.
    fn follow(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Vec<Found>, ArchiveError> {
        self.entries_left =
            self.entries_left.checked_sub(1).ok_or(ArchiveError::IndexTooLarge { limit: ENTRY_LIMIT })?;
        if descriptor.is_attestation() {
            return Ok(Vec::new());
        }
        match media_type::classify(&descriptor.media_type) {
            Kind::Index if depth == 0 => Err(ArchiveError::IndexTooLarge { limit: ENTRY_LIMIT }),
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", self.read(descriptor, "an index")?)?;
                let mut found = Vec::new();
                for descriptor in &index.manifests {
                    found.extend(self.follow(descriptor, depth - 1)?);
                }
                Ok(found)
            }
            Kind::Manifest => Ok(self.image(descriptor)?.into_iter().collect()),
            _ => Ok(Vec::new()),
        }
    }

    fn image(&mut self, descriptor: &Descriptor) -> Result<Option<Found>, ArchiveError> {
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        if descriptor.platform.is_some() && self.contents.file(&name)?.is_none() {
            // `docker save --platform` and `skopeo copy` leave other platforms' manifests out of a complete index.
            return Ok(None);
        }
        let manifest: Document<Manifest> = Document::parse("manifest", self.read(descriptor, "a manifest")?)?;
        if media_type::classify(&manifest.config.media_type) != Kind::Config {
            return Ok(None);
        }
        let config = self.read(&manifest.config, "an image config")?;
        let config: Document<ImageConfig> = Document::parse("image config", config)?;
        let platform = descriptor.platform.clone().unwrap_or_else(|| config.platform.clone());
        Ok(Some(Found { manifest, config, platform }))
    }

    fn read(&mut self, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>, ArchiveError> {
        let blob = self.contents.blob(&descriptor.digest)?;
        check_size(descriptor, blob.size)?;
        Ok(blob.read(what, DOCUMENT_LIMIT)?)
    }
}
