//! What is asked for.

use crate::build::BuildOptions;

/// Where nobody says how many targets are built at once.
pub const USUAL_JOBS: usize = 16;

/// What is to be built, and how.
#[derive(Debug)]
pub struct Request {
    /// The targets; the answer has the same order.
    pub targets: Vec<Target>,
    /// What one that fails means for the others.
    pub execution: Execution,
    /// How many targets are built at the same time, at most.
    pub jobs: usize,
}

/// One of the things that are built.
#[derive(Debug)]
pub struct Target {
    /// What it is called in messages.
    pub name: String,
    /// The build that it is.
    pub options: BuildOptions,
    /// Names of contexts, and the targets that they are.
    pub contexts: Vec<(String, String)>,
}

/// What a target that fails means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// All are stopped. Where anything is pushed, no result goes anywhere before all targets are built.
    FailFast,
    /// All are stopped, and no result goes anywhere before all targets are built.
    DeferOutput,
    /// What does not need it is built all the same, and goes where it is wanted.
    DeferError,
}
