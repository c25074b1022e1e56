use crate::base::FilterError;
use crate::base::io_error::IoError;
use crate::container::ContainerError;
use crate::container::network::NetworkError;
use crate::container::volume::VolumeError;

/// Why networks or volumes could not be listed or pruned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ResourceError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Io(#[from] IoError),
}
