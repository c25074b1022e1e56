//! Why an image can't be read.

use crate::engine::image::ImageError;
use crate::image::layer::LayerError;
use crate::transport::transfer::TransferError;

#[derive(Debug, thiserror::Error)]
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
