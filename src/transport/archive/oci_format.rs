//! OCI layouts: `index.json` leads to manifests, directly or through nested indexes with one image for each platform.

use std::collections::{BTreeMap, HashSet};

use super::ArchiveError;
use super::candidate::{Candidate, LoadOptions, Selection};
use super::contents::Contents;
use super::docker_format::DOCUMENT_LIMIT;
use crate::image::media_type::{self, Kind};
use crate::image::{
    AnnotationLevel, Annotations, Descriptor, Document, ImageConfig, Index, Manifest, Platform, Reference, best_match,
    host_platform,
};
use crate::transport::transfer::{IncomingImage, IncomingLayer, LayerSource, TransferError};

/// The annotation with the full name (docker, BuildKit).
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The annotation with the tag alone (docker, BuildKit), or the full name (podman, skopeo).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(super) const CREATED: &str = "org.opencontainers.image.created";

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

/// A possible image: its manifest, its config, and its name in the index.
struct Found {
    manifest: Document<Manifest>,
    config: Document<ImageConfig>,
    platform: Platform,
}

/// The images behind one entry of `index.json`, or behind several with one name.
#[derive(Default)]
struct Group {
    found: Vec<Found>,
    annotations: Annotations,
}

/// The images of the layout. Those with one name, or from one nested index, are kept together; if a platform was
/// requested, only the one that runs best there.
pub(super) fn images(
    index: &Index,
    contents: &mut Contents<'_, '_>,
    options: &LoadOptions,
) -> Result<Vec<Candidate>, ArchiveError> {
    let mut walk = Walk { contents, entries_left: ENTRY_LIMIT };
    // Entries with the same name are platforms of one image; entries without a name are separate images.
    let mut groups: BTreeMap<(Option<Reference>, usize), Group> = BTreeMap::new();
    for (position, descriptor) in selected(index, options)?.into_iter().enumerate() {
        let name = name_of(descriptor)?;
        let position = if name.is_some() { 0 } else { position };
        walk.follow(descriptor, DEPTH_LIMIT, groups.entry((name, position)).or_default())?;
    }
    let mut candidates = Vec::new();
    for ((name, _), mut group) in groups {
        group.leave_out_doubles();
        if group.found.is_empty() {
            continue;
        }
        let (found, standing) = choose(group.found, options)?;
        let images = found.into_iter().map(|found| incoming(found, contents)).collect::<Result<Vec<_>, _>>()?;
        let names = name.into_iter().collect();
        candidates.push(Candidate { names, images, standing, annotations: group.annotations });
    }
    Ok(candidates)
}

/// The requested entries of `index.json`.
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

/// The name of an image in its entry of `index.json`. A bare tag is not a name: the repository is unknown.
fn name_of(descriptor: &Descriptor) -> Result<Option<Reference>, ArchiveError> {
    let annotation = |key: &str| descriptor.annotations.get(key).filter(|name| !name.is_empty());
    let full = annotation(CONTAINERD_NAME).or(annotation(REF_NAME).filter(|name| name.contains(['/', ':'])));
    full.map(|name| name.parse().map_err(|source| ArchiveError::BadName { name: name.clone(), source })).transpose()
}

/// The images to load, and the one that stands for all.
fn choose(mut found: Vec<Found>, options: &LoadOptions) -> Result<(Vec<Found>, usize), ArchiveError> {
    let best = |wanted| best_match(wanted, found.iter().map(|found| &found.platform));
    let Some(wanted) = &options.platform else {
        let standing = best(&host_platform()).unwrap_or(0);
        return Ok((found, standing));
    };
    match best(wanted) {
        Some(chosen) => Ok((vec![found.swap_remove(chosen)], 0)),
        None => {
            let offered = found.iter().map(|found| found.platform.to_string()).collect::<Vec<_>>().join(", ");
            Err(ArchiveError::NoPlatform { wanted: wanted.to_string(), offered })
        }
    }
}

impl Group {
    /// Each image once, wherever it is listed.
    fn leave_out_doubles(&mut self) {
        let mut seen = HashSet::new();
        self.found.retain(|found| seen.insert(found.config.digest()));
    }

    /// Keeps annotations that users wrote, except those with which archives name their images.
    fn annotate(&mut self, level: AnnotationLevel, platform: Option<&Platform>, written: &BTreeMap<String, String>) {
        let is_own = |key: &str| {
            [CONTAINERD_NAME, REF_NAME, CREATED, "config.digest"].contains(&key) || key.starts_with("containerd.io/")
        };
        for (key, value) in written.iter().filter(|(key, _)| !is_own(key)) {
            self.annotations.add(level, platform, key, value);
        }
    }
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

/// Follows descriptors to images, within limits.
struct Walk<'c, 'r, 's> {
    contents: &'c mut Contents<'r, 's>,
    entries_left: usize,
}

impl Walk<'_, '_, '_> {
    /// Adds the images that `descriptor` leads to. Skips attestations and other artifacts.
    fn follow(&mut self, descriptor: &Descriptor, depth: usize, group: &mut Group) -> Result<(), ArchiveError> {
        self.entries_left =
            self.entries_left.checked_sub(1).ok_or(ArchiveError::IndexTooLarge { limit: ENTRY_LIMIT })?;
        if descriptor.is_attestation() {
            return Ok(());
        }
        match media_type::classify(&descriptor.media_type) {
            Kind::Index if depth == 0 => Err(ArchiveError::IndexTooLarge { limit: ENTRY_LIMIT }),
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", self.read(descriptor, "an index")?)?;
                group.annotate(AnnotationLevel::IndexDescriptor, None, &descriptor.annotations);
                group.annotate(AnnotationLevel::Index, None, &index.annotations);
                index.manifests.iter().try_for_each(|descriptor| self.follow(descriptor, depth - 1, group))
            }
            Kind::Manifest => {
                if let Some(found) = self.image(descriptor)? {
                    let platform = Some(&found.config.platform).filter(|platform| !platform.os.is_empty());
                    group.annotate(AnnotationLevel::ManifestDescriptor, platform, &descriptor.annotations);
                    group.found.push(found);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn image(&mut self, descriptor: &Descriptor) -> Result<Option<Found>, ArchiveError> {
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        if descriptor.platform.is_some() && self.contents.file(&name)?.is_none() {
            // `docker save --platform` and `skopeo copy` leave other platforms' manifests out of a complete index.
            return Ok(None);
        }
        let manifest: Document<Manifest> = Document::parse("manifest", self.read(descriptor, "a manifest")?)?;
        if !media_type::may_be_config(&manifest.config.media_type) {
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
