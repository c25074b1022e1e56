//! The request.

use crate::build::BuildOptions;

/// The default number of targets that are built at once.
pub const USUAL_JOBS: usize = 16;

/// What to build, and how.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request {
    /// The targets; the outcomes have the same order.
    pub targets: Vec<Target>,
    /// How a failure affects the other targets.
    pub execution: Execution,
    /// The maximum number of targets that are built at the same time.
    pub jobs: usize,
}

/// A target.
#[derive(Debug)]
pub struct Target {
    /// Its name in messages.
    pub name: String,
    /// Its build.
    pub options: BuildOptions,
    /// Names of contexts, and the targets that provide them.
    pub contexts: Vec<(String, String)>,
}

/// How a failed target affects the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// All are stopped. If anything is pushed, no result is written before all targets are built.
    FailFast,
    /// All are stopped, and no result is written before all targets are built.
    DeferOutput,
    /// Targets that don't need it are built nevertheless, and their results are written.
    DeferError,
}
