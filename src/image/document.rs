//! A parsed document together with the bytes it came as, which are what its digest is of.

use serde::de::DeserializeOwned;

use crate::base::digest::BlobDigest;

/// A config, manifest or index that is invalid.
#[derive(Debug, thiserror::Error)]
#[error("the {what} {digest} is not valid")]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub struct ImageDocumentError {
    /// `image config`, `manifest` or `index`.
    pub what: &'static str,
    pub digest: BlobDigest,
    #[source]
    pub source: serde_json::Error,
}

/// A value that was read; it is never serialised again from its parsed form.
#[derive(Debug, Clone)]
pub struct Document<T> {
    bytes: Vec<u8>,
    digest: BlobDigest,
    value: T,
}

impl<T: DeserializeOwned> Document<T> {
    /// Reads a document, which errors call `what`.
    pub fn parse(what: &'static str, bytes: Vec<u8>) -> Result<Self, ImageDocumentError> {
        let digest = BlobDigest::of(&bytes);
        let value = serde_json::from_slice(&bytes).map_err(|source| ImageDocumentError { what, digest, source })?;
        Ok(Self { bytes, digest, value })
    }
}

impl<T> Document<T> {
    /// The bytes as they were read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> BlobDigest {
        self.digest
    }

    /// What they say.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> std::ops::Deref for Document<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
