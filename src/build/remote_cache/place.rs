//! Where a cache lies.

use std::error::Error;
use std::io::Read;

use crate::base::digest::BlobDigest;
use crate::base::io_error::IoError;
use crate::image::Descriptor;
use crate::transport::registry::RegistryError;

use super::actions::ActionsError;
use super::object_server::BucketError;

/// A folder, a repository or a bucket with one name in it that leads to a cache.
pub trait Place: Send + Sync {
    /// What a person calls it.
    fn shown(&self) -> String;

    /// How the store keeps it as the source of blobs.
    fn source(&self) -> String;

    /// What its name leads to, at most `limit` bytes; nothing when there is no such name.
    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError>;

    /// The manifest with this digest, of which an index spoke.
    fn manifest_with(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, PlaceError> {
        read_bounded(self.open_blob(digest)?, "the manifest", limit)
    }

    /// The blob's size; nothing when there is no such blob.
    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError>;

    /// The blob's bytes, which need not be right.
    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError>;

    /// Puts a blob there that is not there.
    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError>;

    /// Lets the name lead to the manifest from now on.
    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError>;

    /// Whether a blob that its list speaks of is gone by now, where the place forgets what it was given.
    fn has_forgotten(&self, _digest: &BlobDigest) -> bool {
        false
    }

    /// Takes the blob over from another source without moving its bytes, if the place can do that.
    fn take_over(&self, _blob: &Descriptor, _source: &str) -> Result<bool, PlaceError> {
        Ok(false)
    }

    /// Keeps other builders from writing, where the place can do that.
    fn lock(&self) -> Result<Option<Box<dyn Send>>, PlaceError> {
        Ok(None)
    }
}

/// Opens a blob to be sent; more than once, when it has to be sent again.
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
    /// What is to be sent cannot be read.
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
    /// The place is there and does not have it: to ask again is useless.
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

    /// The place takes no more for now, which says nothing about the build.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::Actions(ActionsError::Limited { .. }))
    }

    /// A registry does not want the manifest.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Status { status: 400 | 404 | 422, .. }))
            || matches!(self, Self::Registry(error) if error.is_not_found())
    }
}

/// Reads all, which may be `limit` bytes.
pub fn read_bounded(reader: impl Read, what: &'static str, limit: u64) -> Result<Vec<u8>, PlaceError> {
    use crate::base::io_error::AtPath as _;
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).at("read", what)?;
    if bytes.len() as u64 > limit { Err(PlaceError::TooLarge { what, limit }) } else { Ok(bytes) }
}
