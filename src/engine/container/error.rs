use crate::base::FilterError;
use crate::container::ContainerError;
use crate::engine::image::ImageError;
use crate::store::{FindImageError, StoreError};

/// Why a request about containers was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum RequestError {
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Find(#[from] FindImageError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "image with reference {name} was found but its platform ({actual}) does not match the specified platform ({wanted})"
    )]
    OtherPlatform { name: String, wanted: String, actual: String },
    #[error("cannot run ps, which is in the package procps")]
    NoPs,
    #[error("cannot remove container \"{name}\": container is {state}")]
    NotStopped { name: String, state: &'static str },
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    #[error("exec command {id} {state}")]
    ExecBegun { id: String, state: &'static str },
    #[error("no such link: {word}")]
    NoLink { word: String },
    #[error("cannot update container {id}: {reason}")]
    UpdateConflict { id: String, reason: &'static str },
    #[error("cannot update container {id}")]
    Update { id: String, source: ContainerError },
    #[error("invalid --volume `{spec}`: {wrong}")]
    BadVolume { spec: String, wrong: WrongVolume, is_name: bool },
    /// The request is invalid, in docker's words.
    #[error("{message}")]
    Refused { message: String },
}

/// What is wrong with a volume's short form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum WrongVolume {
    #[error("it is SOURCE:TARGET[:OPTIONS]")]
    Form,
    #[error("empty section between colons")]
    EmptySection,
    #[error("invalid mode: {0}")]
    Mode(String),
    #[error("the target must be absolute")]
    Relative(String),
    #[error("the target must not be the root")]
    Root,
}

impl RequestError {
    /// A refusal in docker's words.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into() }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Container(ContainerError::Volume(error)) => error.hint().map(str::to_owned),
            Self::Container(error) | Self::Update { source: error, .. } => error.hint(),
            Self::NotStopped { .. } => Some("stop the container before removing it, or use -f".to_owned()),
            Self::Image(error) => error.hint(),
            _ => None,
        }
    }
}
