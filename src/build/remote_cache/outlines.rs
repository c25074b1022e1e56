//! Outlines of layers in a cache: small enough to fetch them instead of layers below a step that only adds files.

use super::blob::Blob;
use super::import::Imports;
use super::place::{PlaceError, read_bounded};
use crate::base::digest::{BlobDigest, DiffId};
use crate::store::{OriginError, RemoteBlob, Store, StoreError};

pub const MEDIA_TYPE: &str = "application/vnd.rbuild.layer.outline.v1";
/// The size limit of an outline.
const LIMIT: u64 = 16 << 20;

/// Makes or finds the outline of a layer; `None` if neither is possible.
pub type Outlines<'a> = dyn Fn(&DiffId) -> Result<Option<Vec<u8>>, StoreError> + Sync + 'a;

#[derive(Debug, thiserror::Error)]
pub enum OutlineError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("it cannot be fetched")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("its content is {actual}, not {expected}")]
    WrongDigest { expected: BlobDigest, actual: BlobDigest },
}

impl Imports {
    /// The layer's outline, from the first cache that has one; `None` if none has.
    pub fn outline(&self, store: &Store, diff_id: &DiffId) -> Option<Result<Vec<u8>, OutlineError>> {
        let origin = store.origin()?;
        let (cache, record) =
            self.caches.iter().find_map(|cache| Some((cache, cache.document.outlines.get(diff_id)?)))?;
        let Blob { media_type, digest, size } = record.blob.clone();
        let remote = RemoteBlob { digest, size, media_type, source: cache.source.clone() };
        let fetch = || {
            let reader = origin.open(&remote).map_err(|error| match error {
                OriginError::Gone(cause) | OriginError::Failed(cause) => OutlineError::Fetch(cause),
            })?;
            let bytes = read_bounded(reader, "the outline", size.min(LIMIT))?;
            match BlobDigest::of(&bytes) {
                actual if actual == digest => Ok(bytes),
                actual => Err(OutlineError::WrongDigest { expected: digest, actual }),
            }
        };
        Some(fetch())
    }
}
