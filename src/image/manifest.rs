//! Manifests, indexes and the descriptors they consist of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json::{self, or_default};
use super::media_type::{self, Kind, classify};
use super::platform::Platform;
use crate::base::digest::BlobDigest;

/// The annotation by which BuildKit marks a manifest that holds attestations instead of an image.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// Image-spec descriptor.md, in Go's field order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Empty in some docker archives; see [`media_type::classify`].
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Of the bytes.
    pub digest: BlobDigest,
    /// Bytes.
    pub size: u64,
    /// Where the blob is besides.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Notes, by their keys.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What the image is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What it is, if no image.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
}

impl Descriptor {
    /// Without anything that may be missing.
    pub fn new(media_type: &str, digest: BlobDigest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: String::new(),
        }
    }

    /// Whether a layer may be missing from the image's registry.
    pub fn is_foreign(&self) -> bool {
        classify(&self.media_type) == (Kind::Layer { foreign: true }) && !self.urls.is_empty()
    }

    /// Whether an entry of an index describes another image instead of being one.
    pub fn is_attestation(&self) -> bool {
        self.annotations.get(REFERENCE_TYPE).is_some_and(|kind| kind == "attestation-manifest")
    }
}

/// Image-spec manifest.md, and Docker's schema 2, which has the same fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Two.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What it is, if no image.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The image's config.
    pub config: Descriptor,
    /// The lowest layer first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Notes, by their keys.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI manifest of a config and layers.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST.to_owned(),
            artifact_type: String::new(),
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The bytes, indented as BuildKit indents manifests.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_vec_indented(self, "  ").expect("a manifest has string keys only, and writing to memory does not fail")
    }
}

/// Image-spec image-index.md, and Docker's manifest list, which has the same fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Two.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The images.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// Notes, by their keys.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type::OCI_INDEX.to_owned(),
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// The bytes, indented as BuildKit indents the index of an image for several platforms.
    pub fn to_indented_bytes(&self) -> Vec<u8> {
        json::to_vec_indented(self, "  ").expect("an index has string keys only, and writing to memory does not fail")
    }

    /// The bytes on one line, as docker and BuildKit write `index.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_vec(self).expect("an index has string keys only, and writing to memory does not fail")
    }
}
