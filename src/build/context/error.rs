use std::io;
use std::path::PathBuf;

use super::PatternError;
use crate::base::io_error::IoError;
use crate::base::rights::NoRights;
use crate::image::layer::LayerError;

#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error(transparent)]
    NoRights(#[from] NoRights),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("cannot read the ignore file `{}`", path.display())]
    Ignore {
        path: PathBuf,
        #[source]
        source: PatternError,
    },
    /// The context is not a directory.
    #[error("the build context `{}` is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    #[error("`{}` is not in the build context", path.display())]
    NotFound { path: PathBuf },
    /// The copied bytes differ from those in the cache key.
    #[error("`{}` changed during the build", path.display())]
    Changed { path: PathBuf },
    #[error("cannot unpack the build context")]
    Archive(#[from] LayerError),
    #[error("cannot read the build context from standard input")]
    StandardInput(#[source] io::Error),
}
