//! Errors about entering a step.

use std::path::PathBuf;

use crate::base::input::InputError;
use crate::base::io_error::IoError;
use crate::build::solve::StepError;
use crate::container::ContainerError;
use crate::container::sandbox::SandboxError;
use crate::engine::history::HistoryError;
use crate::engine::image::ImageError;
use crate::image::layer::LayerError;
use crate::store::StoreError;
use crate::store::snapshot::SnapshotError;

/// Why a step cannot be entered, or its changes not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum DebugError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("no build has kept a step to look into")]
    Nothing,
    #[error("the build `{build}` has no kept step to look into any more")]
    NotKept { build: String },
    #[error("another shell is open in the build `{build}`")]
    InUse { build: String },
    #[error("what the build `{build}` kept was written by another version of rbuild")]
    OtherVersion { build: String },
    #[error("no step of the build is `{step}`; there are:\n{titles}")]
    NoStep { step: String, titles: String },
    #[error("several steps of the build are `{step}`:\n{titles}")]
    Ambiguous { step: String, titles: String },
    #[error("the build did not reach `{title}`")]
    NotReached { title: String },
    #[error("`{title}` is not a RUN step: there is nothing to retry")]
    NoProgram { title: String },
    #[error("the root filesystem has no shell, and this machine no static busybox")]
    NoShell,
    #[error("the image `{image}` has no static shell, and only those run in every image")]
    NotStatic { image: String },
    #[error("`{}` is not a static program, and only those run in every image", path.display())]
    NotStaticFile { path: PathBuf },
}

impl DebugError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step(error) => self.hint_of_lost().or_else(|| error.hint()),
            Self::History(HistoryError::Nothing) | Self::Nothing | Self::NotKept { .. } | Self::OtherVersion { .. } => {
                Some("build again, with --no-cache where all of it is in the cache".to_owned())
            }
            Self::History(HistoryError::Unknown { reference }) => {
                Some(format!("for a step of the last build: `rbuild debug --last {reference}`"))
            }
            Self::NoShell => Some(
                "install busybox-static, name an image that has one with --shell-from, or give a program of the image's \
                 behind `--`"
                    .to_owned(),
            ),
            Self::NotReached { .. } => Some("`rbuild debug --list` shows which steps can be entered".to_owned()),
            Self::InUse { .. } => Some("leave that shell first".to_owned()),
            _ => self.hint_of_lost(),
        }
    }

    /// Layers in the cache may have been removed since.
    fn hint_of_lost(&self) -> Option<String> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if matches!(error.downcast_ref(), Some(StoreError::NoLayer(_))) {
                return Some("a layer below it was removed from the build cache: build again".to_owned());
            }
            next = error.source();
        }
        None
    }
}

impl From<SandboxError> for DebugError {
    fn from(error: SandboxError) -> Self {
        Self::Container(error.into())
    }
}
