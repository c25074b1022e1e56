use std::path::PathBuf;

use crate::base::digest::BlobDigest;
use crate::base::io_error::IoError;
use crate::image::ImageDocumentError;
use crate::image::layer::LayerError;
use crate::store::StoreError;
use crate::transport::archive::ArchiveError;
use crate::transport::registry::RegistryError;
use crate::transport::transfer::TransferError;

/// Why an image could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the store has no image `{name}`")]
    NotInStore { name: String },
    #[error("`{}` is not an OCI layout: it has no index.json", path.display())]
    NotALayout { path: PathBuf },
    #[error("`{}` has no image `{wanted}`; it has {offered}", path.display())]
    NotInLayout { path: PathBuf, wanted: String, offered: String },
    #[error("`{}` has several images: {offered}", path.display())]
    Ambiguous { path: PathBuf, offered: String },
    #[error("there is no image for {wanted}; there are {offered}")]
    NoPlatform { wanted: String, offered: String },
    #[error("its indexes are nested too deeply, or hold too many images")]
    TooDeep,
    #[error("it uses docker's schema 1, which docker gave up in 2017")]
    Schema1,
    #[error("it is not an image: its media type is `{media_type}`")]
    NotAnImage { media_type: String },
    #[error("blob {digest} does not match its descriptor: it has the digest {actual} and {size} bytes")]
    WrongBlob { digest: BlobDigest, actual: BlobDigest, size: u64 },
    #[error("cannot read blob {digest}")]
    Read {
        digest: BlobDigest,
        #[source]
        source: std::io::Error,
    },
    #[error("a docker archive needs a name for its image: docker-archive:PATH:NAME[:TAG]")]
    Nameless,
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Io(#[from] IoError),
}
