//! What is told while a plan is executed.

use std::time::Duration;

use crate::explain::Reason;
use crate::plan::StepId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The step is being executed.
    Started {
        step: StepId,
        /// Why its result is not taken from the cache.
        why: &'a [Reason],
    },
    /// The step's result was there already.
    Cached {
        step: StepId,
    },
    /// The step's program wrote this; it may end in the middle of a line.
    Output {
        step: StepId,
        bytes: &'a [u8],
    },
    Done {
        step: StepId,
        took: Duration,
    },
    Failed {
        step: StepId,
        took: Duration,
    },
    /// Another step failed, or the user gave up, while this one was being executed.
    Canceled {
        step: StepId,
    },
}

/// Whoever shows it; called from several threads.
pub trait Progress: Sync {
    fn event(&self, event: Event<'_>);

    /// Something that the user should know and that is no error.
    fn warn(&self, text: &str);
}
