//! Why a build failed.

use std::fmt;
use std::path::PathBuf;

use crate::base::digest::InvalidDigest;
use crate::base::input::InputError;
use crate::base::io_error::IoError;
use crate::base::rights::NoRights;
use crate::build::context::git::GitError;
use crate::build::context::http::HttpError;
use crate::build::context::{ContextError, PatternError};
use crate::build::remote_cache::{ExportError, PlaceError};
use crate::build::solve::{OpenContextError, StepError};
use crate::image::layer::LayerError;
use crate::image::{BrokenInvariant, ImageDocumentError};
use crate::language::dockerfile::ParseError;
use crate::language::dockerfile::lint::{CheckOptionError, LintError};
use crate::language::dockerfile::outline::OutlineError;
use crate::language::plan::PlanError;
use crate::store::StoreError;
use crate::store::snapshot::SnapshotError;
use crate::transport::archive::ArchiveError;
use crate::transport::cloud::CloudError;
use crate::transport::docker_engine::EngineError;
use crate::transport::registry::RegistryError;
use crate::transport::transfer::TransferError;

use super::findings::Findings;
use super::top_names::TopNames;

#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum BuildError {
    #[error(transparent)]
    NoRights(#[from] NoRights),
    /// An error at a place in the Dockerfile.
    #[error("{0}")]
    Located(Box<Located>),
    #[error("failed to read the Dockerfile `{path}`")]
    ReadDockerfile { path: String, source: std::io::Error },
    #[error("there is no `{}` in the build context; it has {names}", path.display())]
    NoDockerfile { path: PathBuf, names: TopNames },
    /// Lint rules were broken that are set to be errors; the findings say which and where.
    #[error("{message}")]
    LintViolations { message: String, findings: Box<Findings> },
    #[error("invalid build argument BUILDKIT_DOCKERFILE_CHECK")]
    CheckArgument(#[source] CheckOptionError),
    #[error(
        "the Dockerfile names the frontend `{image}`; rbuild has the language of docker/dockerfile built in and runs no other"
    )]
    Frontend { image: String },
    #[error("`{}` is a policy of where the build may take its files from, and rbuild evaluates none", path.display())]
    Policy { path: PathBuf },
    #[error("cannot use the ignore file `{}`", path.display())]
    IgnoreFile { path: PathBuf, source: PatternError },
    #[error("an output of type=docker holds one image: a build for several platforms needs type=oci or type=image")]
    OneImageOnly,
    #[error("a tag is needed for pushing to a registry: name the image with --tag")]
    NothingToPushTo,
    #[error("`{name}` cannot be pushed without its tag: push-by-digest pushes what `name` says, and takes no --tag")]
    TagWithoutPush { name: String },
    #[error("there is no index to annotate: a build for one platform makes only a manifest")]
    NoIndexToAnnotate,
    #[error(
        "`{}` is in the root filesystems of several platforms: with platform-split=false they cannot be in one folder", path.display()
    )]
    PlatformsConflict { path: PathBuf },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Checksum(#[from] InvalidDigest),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    OpenContext(#[from] OpenContextError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    ImageDocument(#[from] ImageDocumentError),
    #[error("cannot export the cache to {place}")]
    CacheExport { place: String, source: Box<ExportError> },
    #[error("cannot read the build context {place}")]
    ContextObject { place: String, source: Box<PlaceError> },
    #[error("cannot use the cache {place}")]
    CachePlace { place: String, source: Box<PlaceError> },
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error("the image that was built is inconsistent")]
    Invariant(#[from] BrokenInvariant),
    #[error("cancelled")]
    Cancelled,
}

/// An error with the Dockerfile lines it refers to, as it is shown.
#[derive(Debug)]
pub struct Located {
    /// Message and lines.
    pub text: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// The error itself.
    pub cause: Cause,
}

/// The typed error.
#[derive(Debug)]
pub enum Cause {
    /// The text is no Dockerfile.
    Parse(ParseError),
    /// A check could not be made.
    Lint(LintError),
    /// It could not be described.
    Outline(OutlineError),
    /// It could not be planned.
    Plan(PlanError),
    /// A step failed.
    Step(Box<StepError>),
}

impl From<Located> for BuildError {
    fn from(located: Located) -> Self {
        Self::Located(Box::new(located))
    }
}

impl Located {
    /// The end of the output of the step's program, verbatim, if the program made the build fail.
    pub fn printed(&self) -> Option<&str> {
        match &self.cause {
            Cause::Step(error) => match error.as_ref() {
                StepError::Failed { tail, .. } => Some(tail.as_str()).filter(|tail| !tail.is_empty()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Cause {
    /// The error itself, to search its chain of causes.
    pub fn error(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Parse(error) => error,
            Self::Lint(error) => error,
            Self::Outline(error) => error,
            Self::Plan(error) => error,
            Self::Step(error) => error.as_ref(),
        }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(formatter, "\nhint: {hint}"))
    }
}
