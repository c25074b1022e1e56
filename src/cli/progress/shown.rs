//! The interface of all progress formats.

use super::summary::End;
use crate::build::solve::Progress;
use crate::language::plan::StepId;
use crate::transport::registry;

/// Steps to show.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// `None` if a step is not shown.
    pub titles: Vec<String>,
    /// The inputs of each step.
    pub inputs: Vec<Vec<StepId>>,
}

/// A progress format.
pub trait Shown: Progress + Send {
    /// These steps are executed next. Their numbers follow those of all earlier ones.
    fn add(&self, steps: &Steps);

    /// Observes the push of the result, which is shown under this name.
    fn transfers(&self, export: &str) -> Box<dyn registry::Progress>;

    /// A build has ended: reports the outcome, except for the error.
    fn end(&self, end: End);

    /// All builds have ended.
    fn close(&self) {}
}
