//! The outcome of each target, and who is notified.

use crate::build::{BuildError, BuildResult, Observer};

/// The outcome of a target.
#[derive(Debug)]
pub enum Outcome {
    /// It was built.
    Built(Box<BuildResult>),
    /// It could not be built.
    Failed(BuildError),
    /// Another target failed, or the user cancelled, while it was being built or its result was held.
    Stopped,
    /// The same before its build was started; or a target that it needs was not built.
    NotBegun {
        /// The target that was not built.
        needs: Option<String>,
    },
}

/// An observer of the targets; called from several threads.
pub trait Watcher: Sync {
    /// The target with this index in the request is being built. Its events are sent to the returned observer.
    fn begins(&self, place: usize) -> &dyn Observer;

    /// The target is finished.
    fn ends(&self, place: usize, outcome: &Outcome);
}

/// The outcomes of all targets, in the request's order.
#[derive(Debug)]
pub struct Answer {
    /// One for each target.
    pub outcomes: Vec<Outcome>,
    /// The indexes of the failed targets, in the order of their failures.
    pub failures: Vec<usize>,
    /// Warnings about all of them together.
    pub warnings: Vec<String>,
}
