//! A cache's record of a cache mount: the blobs that make up its content.

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use crate::base::digest::DiffId;

/// The content of a `RUN --mount=type=cache` when a build was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MountRecord {
    /// Seconds since 1970.
    pub saved_at: i64,
    /// SHA-256 of the tar stream of all chunks.
    pub stream: DiffId,
    /// The blob that lists the chunks of the content, in order.
    pub index: Blob,
    /// The blobs with the packed chunks.
    pub packs: Vec<Blob>,
}

impl MountRecord {
    pub fn blobs(&self) -> Vec<&Blob> {
        std::iter::once(&self.index).chain(&self.packs).collect()
    }
}
