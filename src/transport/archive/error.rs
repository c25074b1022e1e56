use crate::base::digest::BlobDigest;
use crate::base::io_error::IoError;
use crate::image::layer::LayerError;
use crate::image::{BrokenInvariant, ImageDocumentError, InvalidReference};
use crate::store::StoreError;
use crate::transport::transfer::TransferError;

/// Why an archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Tar(#[from] LayerError),
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Invariant(#[from] BrokenInvariant),
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    #[error("cannot write the archive")]
    Write(#[source] std::io::Error),
    #[error("this is neither a docker archive nor an OCI layout: it has no manifest.json and no index.json")]
    NotAnImage,
    #[error("this archive was written by docker before 1.10: it has no manifest.json")]
    TooOld,
    #[error("the archive ends in the middle of `{name}`")]
    Truncated { name: String },
    #[error("entry `{name}` of the archive is not allowed in an image archive: {reason}")]
    BadEntry { name: String, reason: &'static str },
    #[error("the archive has two different entries `{name}`")]
    Duplicate { name: String },
    #[error("`{name}` is missing in the archive")]
    Missing { name: String },
    #[error("`{name}` in the archive is a link that leads nowhere")]
    BadLink { name: String },
    #[error("`{name}` in the archive is not valid")]
    BadDocument {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{name}` in the archive has the digest {actual}")]
    WrongDigest { name: String, actual: BlobDigest },
    #[error("the archive's indexes hold more than {limit} entries, or are nested too deeply")]
    IndexTooLarge { limit: usize },
    #[error("the archive has no image for {wanted}; it has {offered}")]
    NoPlatform { wanted: String, offered: String },
    #[error("the archive holds no image")]
    Empty,
    #[error("the archive holds no image `{wanted}`; it has {offered}")]
    NoSuchImage { wanted: String, offered: String },
    #[error("the archive names an image `{name}`")]
    BadName {
        name: String,
        #[source]
        source: InvalidReference,
    },
}
