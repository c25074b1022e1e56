//! Errors in a Dockerfile that parses.

use crate::language::dockerfile::excerpt::Span;
use crate::language::dockerfile::mount::MountError;
use crate::language::dockerfile::words::WordError;
use crate::language::dockerfile::{Lines, ParseError, Place};

use super::request::BaseError;

/// What is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct PlanError {
    /// Boxed, because results carry it through every function of the planner.
    pub kind: Box<PlanErrorKind>,
    /// `None` if the error is in no line.
    pub lines: Option<Lines>,
    /// The word with the error, if it is a single one.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanErrorKind {
    #[error("the Dockerfile has no stage to build: it needs a FROM")]
    NoStages,
    #[error("target stage `{name}` could not be found")]
    UnknownTarget { name: String },
    #[error("circular dependency detected on stage `{stage}`")]
    Circular { stage: String },
    #[error("cannot copy from stage `{from}`: it needs to be defined before stage `{stage}`")]
    LaterStage { from: String, stage: String },
    #[error("invalid stage index {index}: there are {count} stages")]
    StageIndex { index: i64, count: usize },
    #[error("--from takes no variables: name a stage with FROM and a global ARG instead")]
    VariableInFrom,
    #[error("the base name of FROM is empty: `{written}` has no value")]
    EmptyBase { written: String },
    #[error("the platform of FROM is empty: `{written}` has no value")]
    EmptyPlatform { written: String },
    #[error("`{value}` is not a platform: {reason}")]
    Platform { value: String, reason: String },
    #[error("`{value}` is not an image name: {reason}")]
    Reference { value: String, reason: String },
    #[error("`{path}` cannot be a path of Windows: {reason}")]
    WindowsPath { path: String, reason: &'static str },
    #[error("{0}")]
    Base(#[source] BaseError),
    #[error(transparent)]
    Word(#[from] WordError),
    #[error("the values of variables come to more than 64 MiB in all")]
    TooMuch,
    #[error(transparent)]
    Parse(Box<ParseError>),
    #[error("{error} in --mount={text}")]
    Mount { text: String, error: MountError },
    #[error("mount target `{0}` is the root of the filesystem")]
    MountOverRoot(String),
    #[error("invalid value `{value}` of {flag}: {wanted}")]
    FlagValue { flag: &'static str, value: String, wanted: &'static str },
    #[error("--checksum takes one source, which must be a URL or a git repository")]
    Checksum,
    #[error("the heredoc name `{0}` has a folder in it: use a plain file name")]
    HeredocName(String),
    #[error("COPY cannot take the {what} `{source_text}`; ADD can")]
    RemoteCopy { what: &'static str, source_text: String },
    #[error("`{text}` is not a port: {reason}")]
    Port { text: String, reason: String },
    #[error("`{0}` is not a signal")]
    Signal(String),
    #[error("a VOLUME cannot be an empty string")]
    EmptyVolume,
    #[error("RUN has no command")]
    EmptyRun,
    #[error("{what} is not allowed: pass --allow {entitlement}")]
    NotAllowed { what: &'static str, entitlement: &'static str },
    #[error("`{0}` names a user or group, and there is no file system below this step to look it up in")]
    OwnerOnNothing(String),
    #[error("SOURCE_DATE_EPOCH is neither a number of seconds nor `context`, a named context or a stage: `{0}`")]
    Epoch(String),
    #[error("SOURCE_DATE_EPOCH names the stage `{stage}`, which {reason}")]
    EpochStage { stage: String, reason: &'static str },
}

impl PlanErrorKind {
    /// `place` is that of a word, or the lines of an instruction.
    pub(super) fn at(self, place: impl Into<Place>) -> PlanError {
        let Place { lines, span } = place.into();
        PlanError { kind: Box::new(self), lines: Some(lines), span, hint: None }
    }

    pub(super) fn nowhere(self) -> PlanError {
        PlanError { kind: Box::new(self), lines: None, span: None, hint: None }
    }
}

impl PlanError {
    pub(super) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}
