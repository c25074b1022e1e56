//! What every way to show builds does.

use super::summary::End;
use crate::build::solve::Progress;
use crate::language::plan::StepId;
use crate::transport::registry;

/// Steps as they are shown.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Nothing where a step is not shown.
    pub titles: Vec<String>,
    /// The steps that each needs.
    pub inputs: Vec<Vec<StepId>>,
}

/// A way to show builds.
pub trait Shown: Progress + Send {
    /// These steps are executed next. They are known by the numbers behind those of all that were told of before.
    fn add(&self, steps: &Steps);

    /// Whoever watches the result being pushed, which is told of under this name.
    fn transfers(&self, export: &str) -> Box<dyn registry::Progress>;

    /// A build is over: says how it went, apart from the error.
    fn end(&self, end: End);

    /// All builds are over.
    fn close(&self) {}
}
