//! What is told while a plan is executed.

use std::time::Duration;

use crate::build::explain::{Reason, Resources};
use crate::language::plan::StepId;

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

impl Event<'_> {
    /// Which step it is about.
    pub fn step(&self) -> StepId {
        match *self {
            Self::Started { step, .. }
            | Self::Cached { step }
            | Self::Output { step, .. }
            | Self::Done { step, .. }
            | Self::Failed { step, .. }
            | Self::Canceled { step } => step,
        }
    }

    /// The same of another step: several plans may be shown as one.
    pub fn of_step(self, step: StepId) -> Self {
        match self {
            Self::Started { why, .. } => Self::Started { step, why },
            Self::Cached { .. } => Self::Cached { step },
            Self::Output { bytes, .. } => Self::Output { step, bytes },
            Self::Done { took, .. } => Self::Done { step, took },
            Self::Failed { took, .. } => Self::Failed { step, took },
            Self::Canceled { .. } => Self::Canceled { step },
        }
    }
}

/// What is done beside the steps: `importing cache manifest from …`. A task is known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent<'a> {
    Started {
        task: &'a str,
    },
    Note {
        task: &'a str,
        text: &'a str,
    },
    /// So many bytes have been sent; fewer than before when it had to begin anew.
    Moved {
        task: &'a str,
        bytes: u64,
    },
    Done {
        task: &'a str,
        took: Duration,
    },
    Failed {
        task: &'a str,
        message: &'a str,
    },
}

impl<'a> TaskEvent<'a> {
    /// The same of a task by another name.
    pub fn of_task<'b>(self, task: &'b str) -> TaskEvent<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Started { .. } => TaskEvent::Started { task },
            Self::Note { text, .. } => TaskEvent::Note { task, text },
            Self::Moved { bytes, .. } => TaskEvent::Moved { task, bytes },
            Self::Done { took, .. } => TaskEvent::Done { task, took },
            Self::Failed { message, .. } => TaskEvent::Failed { task, message },
        }
    }

    /// What the task is known by.
    pub fn task(&self) -> &'a str {
        match *self {
            Self::Started { task }
            | Self::Note { task, .. }
            | Self::Moved { task, .. }
            | Self::Done { task, .. }
            | Self::Failed { task, .. } => task,
        }
    }
}

/// Whoever shows it; called from several threads.
pub trait Progress: Sync {
    fn event(&self, event: Event<'_>);

    /// Whether what programs write to their standard error is to be told as that, by [`Self::errors`]. Their
    /// order is that in which they are read then.
    fn tells_errors_apart(&self) -> bool {
        false
    }

    /// The step's program wrote this to its standard error.
    fn errors(&self, step: StepId, bytes: &[u8]) {
        self.event(Event::Output { step, bytes });
    }

    /// Something is done that is no step.
    fn task(&self, event: TaskEvent<'_>);

    /// What the program of a step used; told before the step ends.
    fn used(&self, _: StepId, _: &Resources) {}

    /// Something that the user should know and that is no error.
    fn warn(&self, text: &str);
}
