//! References to blobs in documents.

use serde::{Deserialize, Serialize};

use crate::base::digest::BlobDigest;
use crate::image::Descriptor;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    pub media_type: String,
    pub digest: BlobDigest,
    pub size: u64,
}

impl Blob {
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.size)
    }
}

/// The outline of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlineRecord {
    pub blob: Blob,
    /// The day when the layer was last part of an exported build, in days since 1970.
    pub used_day: i64,
}
