//! What a cache says of the content of a cache mount: which blobs, put together, give it.

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use crate::base::digest::DiffId;

/// The content of a `RUN --mount=type=cache`, as it was when a build was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MountRecord {
    /// Seconds since 1970.
    pub saved_at: i64,
    /// SHA-256 of the tar stream that the chunks make up.
    pub stream: DiffId,
    /// Lists the chunks of the content, in order.
    pub index: Blob,
    /// What the chunks are packed in.
    pub packs: Vec<Blob>,
}

impl MountRecord {
    pub fn blobs(&self) -> Vec<&Blob> {
        std::iter::once(&self.index).chain(&self.packs).collect()
    }
}
