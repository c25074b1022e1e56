//! Why an image can't be read.

use crate::engine::image::ImageError;
use crate::image::layer::LayerError;
use crate::transport::transfer::TransferError;

/// Why the files of an image cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ContentsError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error("cannot read a layer")]
    Read(#[source] std::io::Error),
    #[error("cannot make a pipe")]
    Pipe(#[source] std::io::Error),
}
