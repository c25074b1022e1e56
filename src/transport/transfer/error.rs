use crate::base::digest::{BlobDigest, DiffId};
use crate::base::io_error::IoError;
use crate::image::layer::LayerError;
use crate::image::{BrokenInvariant, ImageDocumentError};
use crate::store::StoreError;

/// Why an image could not be received or sent.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Invariant(#[from] BrokenInvariant),
    #[error("cannot read {what}")]
    Read {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the layer {diff_id}")]
    Write {
        diff_id: DiffId,
        #[source]
        source: std::io::Error,
    },
    #[error("blob {expected} is wrong: its content is {actual}")]
    WrongDigest { expected: BlobDigest, actual: BlobDigest },
    #[error("blob {digest} has {actual} bytes, but its descriptor says {expected}")]
    WrongSize { digest: BlobDigest, expected: u64, actual: u64 },
    #[error("layer {blob} is {actual} uncompressed, but the image config says {expected}")]
    WrongDiffId { blob: BlobDigest, expected: DiffId, actual: DiffId },
    #[error("blob {digest} is not a layer: {reason}")]
    NotALayer { digest: BlobDigest, reason: String },
    #[error("cannot make the layer {diff_id}")]
    Layer {
        diff_id: DiffId,
        #[source]
        source: LayerError,
    },
    #[error("layer {expected} is damaged in the store: its content is {actual}")]
    DamagedLayer { expected: DiffId, actual: DiffId },
    #[error("the annotations of `{name}` are damaged in the store")]
    BadAnnotations {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the {what} is too large: more than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
}
