//! Observes the results of steps, so that they can be entered later.

use std::path::{Path, PathBuf};

use crate::language::plan::{RunStep, StepId};
use crate::store::snapshot::Stack;

/// A step whose program failed, with its root filesystem as the program left it.
pub struct FailedStep<'a> {
    pub step: StepId,
    pub run: &'a RunStep,
    /// The folders of the layers below, lowest first.
    pub lower: &'a [PathBuf],
    /// The program's changes. They are no longer needed: the observer may take the folder.
    pub upper: &'a Path,
}

/// Called from several threads.
pub trait Results: Sync {
    /// The initial content of the step's mounts is known.
    fn prepared(&self, step: StepId, mounts: Vec<Option<Stack>>);

    /// The step has its result.
    fn done(&self, step: StepId, result: &Stack);

    fn failed(&self, failed: &FailedStep<'_>);
}

/// Keeps nothing.
pub struct NothingKept;

impl Results for NothingKept {
    fn prepared(&self, _: StepId, _: Vec<Option<Stack>>) {}

    fn done(&self, _: StepId, _: &Stack) {}

    fn failed(&self, _: &FailedStep<'_>) {}
}
