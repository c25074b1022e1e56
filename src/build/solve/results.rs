//! Who is told what steps made: for whoever wants to look into one afterwards.

use std::path::{Path, PathBuf};

use crate::language::plan::{RunStep, StepId};
use crate::store::snapshot::Stack;

/// A step whose program failed, with its root filesystem as the program left it.
pub struct FailedStep<'a> {
    pub step: StepId,
    pub run: &'a RunStep,
    /// The folders of the layers below, the lowest first.
    pub lower: &'a [PathBuf],
    /// What the program has changed. Nobody needs it any more: it may be taken away.
    pub upper: &'a Path,
}

/// Called from several threads.
pub trait Results: Sync {
    /// The step is known to begin its mounts with these.
    fn prepared(&self, step: StepId, mounts: Vec<Option<Stack>>);

    /// The step's result is there.
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
