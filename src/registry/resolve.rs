//! From a name to one image: its manifest and config, no layers.

use std::io::Read as _;

use super::client::Answer;
use super::{Registry, RegistryError};
use crate::digest::BlobDigest;
use crate::image::media_type::{self, Kind};
use crate::image::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, best_match, host_platform};

/// The largest config that is read.
const CONFIG_LIMIT: u64 = 16 << 20;
const DEPTH_LIMIT: usize = 4;

/// What a name means, for one platform.
#[derive(Debug)]
pub struct Resolved {
    /// The digest of what the name itself leads to: an index, or the manifest.
    pub digest: BlobDigest,
    pub manifest: Document<Manifest>,
    pub config: Document<ImageConfig>,
}

impl Registry {
    /// Asks what the reference means on `platform` (on the host, when nothing is said).
    pub fn resolve(&self, platform: Option<&Platform>) -> Result<Resolved, RegistryError> {
        let reference = self.reference();
        let identifier = match reference.digest() {
            Some(digest) => digest.as_str(),
            None => reference.tag().unwrap_or("latest"),
        };
        let answer = self.manifest(identifier)?;
        let digest = BlobDigest::of(&answer.bytes);
        if let Some(expected) = reference.digest()
            && expected.as_str() != digest.to_string()
        {
            return Err(self.wrong_digest(expected.as_str(), digest));
        }
        let manifest = self.choose(answer, platform, DEPTH_LIMIT)?;
        let config = Document::parse("image config", self.config(&manifest.config)?)?;
        Ok(Resolved { digest, manifest, config })
    }

    /// The manifest itself, or out of an index the one that runs best on the platform.
    fn choose(
        &self,
        answer: Answer,
        platform: Option<&Platform>,
        depth: usize,
    ) -> Result<Document<Manifest>, RegistryError> {
        let name = || self.reference().familiar();
        match kind(&answer) {
            Kind::Manifest => Ok(Document::parse("manifest", answer.bytes)?),
            Kind::Schema1 => Err(RegistryError::Schema1 { name: name() }),
            Kind::Index if depth == 0 => Err(RegistryError::IndexTooDeep { name: name() }),
            Kind::Index => {
                let index: Document<Index> = Document::parse("index", answer.bytes)?;
                let chosen = self.best(&index, platform)?;
                let answer = self.manifest(&chosen.digest.to_string())?;
                let actual = BlobDigest::of(&answer.bytes);
                if actual != chosen.digest {
                    return Err(self.wrong_digest(&chosen.digest.to_string(), actual));
                }
                self.choose(answer, platform, depth - 1)
            }
            _ => Err(RegistryError::NotAnImage { name: name(), media_type: answer.media_type }),
        }
    }

    fn best<'a>(&self, index: &'a Index, platform: Option<&Platform>) -> Result<&'a Descriptor, RegistryError> {
        let wanted = platform.cloned().unwrap_or_else(host_platform);
        let images: Vec<&Descriptor> =
            index.manifests.iter().filter(|descriptor| !descriptor.is_attestation()).collect();
        let unknown = Platform::default();
        let platforms = images.iter().map(|descriptor| descriptor.platform.as_ref().unwrap_or(&unknown));
        if let Some(best) = best_match(&wanted, platforms.clone()) {
            return Ok(images[best]);
        }
        let mut offered: Vec<String> = platforms.map(Platform::to_string).collect();
        offered.dedup();
        Err(RegistryError::NoPlatform {
            name: self.reference().familiar(),
            wanted: wanted.to_string(),
            offered: if offered.is_empty() { "none".to_owned() } else { offered.join(", ") },
        })
    }

    fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let name = || self.reference().familiar();
        if media_type::classify(&descriptor.media_type) != Kind::Config {
            return Err(RegistryError::NotAnImage { name: name(), media_type: descriptor.media_type.clone() });
        }
        let mut bytes = Vec::new();
        let reader = self.blob(&descriptor.digest)?;
        reader.take(CONFIG_LIMIT + 1).read_to_end(&mut bytes).map_err(|source| RegistryError::Broken {
            host: self.reference().domain().to_owned(),
            what: "the image config".to_owned(),
            source,
        })?;
        if bytes.len() as u64 > CONFIG_LIMIT {
            return Err(RegistryError::TooLarge { name: name(), what: "the image config", limit: CONFIG_LIMIT });
        }
        let actual = BlobDigest::of(&bytes);
        if actual != descriptor.digest {
            return Err(self.wrong_digest(&descriptor.digest.to_string(), actual));
        }
        Ok(bytes)
    }

    fn wrong_digest(&self, expected: &str, actual: BlobDigest) -> RegistryError {
        let name = self.reference().familiar();
        RegistryError::WrongDigest { name, expected: expected.to_owned(), actual: actual.to_string() }
    }
}

/// What the answer is, by its header, or where that says nothing by the document itself.
fn kind(answer: &Answer) -> Kind {
    let by_header = media_type::classify(&answer.media_type);
    if by_header != Kind::Other {
        return by_header;
    }
    let document: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    match document.get("mediaType").and_then(serde_json::Value::as_str) {
        Some(media_type) => media_type::classify(media_type),
        None if document.get("manifests").is_some() => Kind::Index,
        None if document.get("layers").is_some() => Kind::Manifest,
        None if document.get("fsLayers").is_some() => Kind::Schema1,
        None => Kind::Other,
    }
}
