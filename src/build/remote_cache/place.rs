//! The place of a cache.

use std::error::Error;
use std::io::Read;

use crate::base::digest::BlobDigest;
use crate::base::io_error::IoError;
use crate::image::Descriptor;
use crate::transport::registry::RegistryError;

use super::actions::ActionsError;
use super::object_server::BucketError;

/// A folder, a repository or a bucket, with a name in it that refers to a cache.
pub trait Place: Send + Sync {
    /// The name for users.
    fn shown(&self) -> String;

    /// The store's name of it, as the source of blobs.
    fn source(&self) -> String;

    /// The manifest behind its name, at most `limit` bytes; `None` if there is no such name.
    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError>;

    /// The manifest with this digest, from an index.
    fn manifest_with(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, PlaceError> {
        read_bounded(self.open_blob(digest)?, "the manifest", limit)
    }

    /// The blob's size; `None` if there is no such blob.
    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError>;

    /// The blob's content, which is not verified.
    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError>;

    /// Uploads a missing blob.
    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError>;

    /// Makes the name refer to the manifest.
    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError>;

    /// Whether a blob in its list is gone by now, for a place that removes old blobs.
    fn has_forgotten(&self, _digest: &BlobDigest) -> bool {
        false
    }

    /// Takes the blob from another source without transferring it, if the place supports that.
    fn take_over(&self, _blob: &Descriptor, _source: &str) -> Result<bool, PlaceError> {
        Ok(false)
    }

    /// Prevents other builders from writing, if the place supports that.
    fn lock(&self) -> Result<Option<Box<dyn Send>>, PlaceError> {
        Ok(None)
    }
}

/// Opens a blob for sending; called again for a retry.
pub type BlobContent<'a> = dyn Fn() -> Result<Box<dyn Read + Send>, Box<dyn Error + Send + Sync>> + Sync + 'a;

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Actions(#[from] ActionsError),
    /// The content to send cannot be read.
    #[error("the blob {digest} cannot be read")]
    Content { digest: BlobDigest, source: Box<dyn Error + Send + Sync> },
    #[error("there is no blob {digest}")]
    NoBlob { digest: BlobDigest },
    #[error("{what} has more than {limit} bytes")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("this rbuild does not support sources such as `{source_text}`")]
    UnknownKind { source_text: String },
    #[error("its index.json cannot be read")]
    Index(#[source] serde_json::Error),
}

impl PlaceError {
    /// The place responds but does not have it: retrying is useless.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::NoBlob { .. } => true,
            Self::Io(error) => error.source.kind() == std::io::ErrorKind::NotFound,
            Self::Registry(error) => error.is_not_found(),
            Self::Bucket(BucketError::Status { status: 404, .. }) => true,
            Self::Actions(ActionsError::Status { status: 404, .. }) => true,
            _ => false,
        }
    }

    /// The place accepts nothing more for now, which is not a problem of the build.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Actions(ActionsError::Limited { .. }))
    }

    /// A registry refuses the manifest.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Status { status: 400 | 404 | 422, .. }))
            || matches!(self, Self::Registry(error) if error.is_not_found())
    }
}

/// Reads everything, up to `limit` bytes.
pub fn read_bounded(reader: impl Read, what: &'static str, limit: u64) -> Result<Vec<u8>, PlaceError> {
    use crate::base::io_error::AtPath as _;
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).at("read", what)?;
    if bytes.len() as u64 > limit { Err(PlaceError::TooLarge { what, limit }) } else { Ok(bytes) }
}
