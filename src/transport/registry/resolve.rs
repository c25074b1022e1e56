//! Resolves a name to one image: its manifest and config, without layers.

use super::nearest::nearest;
use super::{RegistryError, RemoteManifest, Repository};
use crate::base::digest::BlobDigest;
use crate::image::media_type::{self, Kind};
use crate::image::{
    Descriptor, Document, ImageConfig, Index, Manifest, Platform, Reference, best_match, host_platform,
};

/// The size limit of a config.
const CONFIG_LIMIT: u64 = 16 << 20;
const DEPTH_LIMIT: usize = 4;
const ENTRY_LIMIT: usize = 2000;
/// How many entries of indexes are fetched because the index does not say which platform they are for.
const LOOK_LIMIT: usize = 32;

/// What a name means, for one platform.
#[derive(Debug)]
pub struct Resolved {
    /// The digest of what the name itself refers to: an index, or the manifest.
    pub digest: BlobDigest,
    pub manifest: Document<Manifest>,
    pub config: Document<ImageConfig>,
}

/// An image that an index leads to.
type Found = (Document<Manifest>, Document<ImageConfig>);

impl Repository {
    /// Resolves the reference, which must be of this repository, for `platform` (by default the host's).
    pub fn resolve(&self, reference: &Reference, platform: Option<&Platform>) -> Result<Resolved, RegistryError> {
        let top = self.top(reference)?;
        let digest = top.digest;
        let mut search = Search { repository: self, name: reference.familiar(), platform, looks_left: LOOK_LIMIT };
        let (manifest, config) = search.image(top, DEPTH_LIMIT)?;
        Ok(Resolved { digest, manifest, config })
    }

    /// The manifest or index that the reference names. The error for a missing tag lists the closest ones.
    pub fn top(&self, reference: &Reference) -> Result<RemoteManifest, RegistryError> {
        if let Some(digest) = reference.digest() {
            return self.manifest(digest.as_str());
        }
        let tag = reference.tag().unwrap_or("latest");
        self.manifest(tag).map_err(|error| match error {
            RegistryError::NotFound { host, name, .. } => {
                let tags = self.tags().unwrap_or_default();
                RegistryError::NotFound { host, name, nearest: nearest(tag, &tags) }
            }
            other => other,
        })
    }
}

/// The path through indexes to the image that runs best.
struct Search<'a> {
    repository: &'a Repository,
    name: String,
    platform: Option<&'a Platform>,
    looks_left: usize,
}

impl Search<'_> {
    /// The image itself, or the one in an index that runs best on the platform.
    fn image(&mut self, document: RemoteManifest, depth: usize) -> Result<Found, RegistryError> {
        match kind(&document) {
            Kind::Manifest => {
                let manifest: Document<Manifest> = Document::parse("manifest", document.bytes)?;
                let config = self.config(&manifest.config)?;
                Ok((manifest, config))
            }
            Kind::Schema1 => Err(RegistryError::Schema1 { name: self.name.clone() }),
            Kind::Index if depth == 0 => Err(RegistryError::IndexTooDeep { name: self.name.clone() }),
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", document.bytes)?;
                self.out_of_index(&index, depth)
            }
            _ => Err(RegistryError::NotAnImage { name: self.name.clone(), media_type: document.media_type }),
        }
    }

    fn out_of_index(&mut self, index: &Index, depth: usize) -> Result<Found, RegistryError> {
        if index.manifests.len() > ENTRY_LIMIT {
            return Err(RegistryError::IndexTooLarge { name: self.name.clone(), limit: ENTRY_LIMIT });
        }
        let wanted = self.platform.cloned().unwrap_or_else(host_platform);
        let images = index.manifests.iter().filter(|descriptor| !descriptor.is_attestation());
        let (told, untold): (Vec<_>, Vec<_>) =
            images.partition(|descriptor| descriptor.platform.as_ref().is_some_and(|known| !known.os.is_empty()));
        let platforms: Vec<&Platform> = told.iter().filter_map(|descriptor| descriptor.platform.as_ref()).collect();
        if let Some(best) = best_match(&wanted, platforms.iter().copied()) {
            let document = self.follow(told[best])?;
            return self.image(document, depth - 1);
        }
        let mut offered: Vec<String> = platforms.into_iter().map(Platform::to_string).collect();
        for descriptor in untold {
            match self.look(descriptor, &wanted, depth)? {
                Ok(found) => return Ok(found),
                Err(platforms) => offered.push(platforms),
            }
        }
        offered.dedup();
        Err(self.no_platform(&wanted, offered))
    }

    fn no_platform(&self, wanted: &Platform, offered: Vec<String>) -> RegistryError {
        RegistryError::NoPlatform {
            name: self.name.clone(),
            wanted: wanted.to_string(),
            offered: if offered.is_empty() { "none".to_owned() } else { offered.join(", ") },
        }
    }

    /// An entry without a platform in its index: a nested index, or an image whose config has the platform. Returns its
    /// platform if that differs.
    fn look(
        &mut self,
        descriptor: &Descriptor,
        wanted: &Platform,
        depth: usize,
    ) -> Result<Result<Found, String>, RegistryError> {
        self.looks_left = self
            .looks_left
            .checked_sub(1)
            .ok_or_else(|| RegistryError::IndexTooLarge { name: self.name.clone(), limit: LOOK_LIMIT })?;
        let document = self.follow(descriptor)?;
        match self.image(document, depth - 1) {
            Ok(found) => {
                let platform = &found.1.platform;
                let fits = platform.os.is_empty() || best_match(wanted, [platform]).is_some();
                Ok(if fits { Ok(found) } else { Err(platform.to_string()) })
            }
            Err(RegistryError::NoPlatform { offered, .. }) => Ok(Err(offered)),
            Err(RegistryError::NotAnImage { media_type, .. }) => Ok(Err(media_type)),
            Err(error) => Err(error),
        }
    }

    fn follow(&self, descriptor: &Descriptor) -> Result<RemoteManifest, RegistryError> {
        let document = self.repository.manifest(&descriptor.digest.to_string())?;
        if document.bytes.len() as u64 != descriptor.size {
            let name = format!("manifest {} of {}", descriptor.digest, self.name);
            let actual = document.bytes.len() as u64;
            return Err(RegistryError::WrongSize { name, expected: descriptor.size, actual });
        }
        Ok(document)
    }

    fn config(&self, descriptor: &Descriptor) -> Result<Document<ImageConfig>, RegistryError> {
        if !media_type::may_be_config(&descriptor.media_type) {
            let media_type = descriptor.media_type.clone();
            return Err(RegistryError::NotAnImage { name: self.name.clone(), media_type });
        }
        let bytes = self.repository.blob_bytes(&descriptor.digest, "the image config", CONFIG_LIMIT)?;
        Ok(Document::parse("image config", bytes)?)
    }
}

/// The document's type, by its header, or else by its content.
pub fn kind(document: &RemoteManifest) -> Kind {
    let by_header = media_type::classify(&document.media_type);
    if by_header != Kind::Other {
        return by_header;
    }
    let parsed: serde_json::Value = serde_json::from_slice(&document.bytes).unwrap_or_default();
    match parsed.get("mediaType").and_then(serde_json::Value::as_str) {
        Some(media_type) => media_type::classify(media_type),
        None if parsed.get("manifests").is_some() => Kind::Index,
        None if parsed.get("layers").is_some() => Kind::Manifest,
        None if parsed.get("fsLayers").is_some() => Kind::Schema1,
        None => Kind::Other,
    }
}
