//! What becomes of targets, and who is told.

use crate::build::{BuildError, BuildResult, Observer};

/// What became of a target.
#[derive(Debug)]
pub enum Outcome {
    /// It was built.
    Built(Box<BuildResult>),
    /// It could not be built.
    Failed(BuildError),
    /// Another target failed, or the user gave up, while it was being built or waited with its result.
    Stopped,
    /// The same before it was begun; or the target that it needs was not built.
    NotBegun {
        /// The target that it waited for.
        needs: Option<String>,
    },
}

/// Whoever watches the targets; called from several threads.
pub trait Watcher: Sync {
    /// The target at this place of the request is being built. What happens meanwhile is told to the answer.
    fn begins(&self, place: usize) -> &dyn Observer;

    /// Nothing more happens to it.
    fn ends(&self, place: usize, outcome: &Outcome);
}

/// What became of all targets, in their order.
#[derive(Debug)]
pub struct Answer {
    /// One for each target.
    pub outcomes: Vec<Outcome>,
    /// The places of those that failed, the first to fail first.
    pub failures: Vec<usize>,
    /// What there is to say of all of them together.
    pub warnings: Vec<String>,
}
