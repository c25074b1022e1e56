//! The progress of a plan's execution.

use std::time::Duration;

use crate::build::explain::{Reason, Resources};
use crate::language::plan::StepId;

/// What happens to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The step is being executed.
    Started {
        /// The step.
        step: StepId,
        /// Why its result is not taken from the cache.
        why: &'a [Reason],
    },
    /// The step's result was in the cache.
    Cached {
        /// The step.
        step: StepId,
    },
    /// Output of the step's program; it may end in the middle of a line.
    Output {
        /// The step.
        step: StepId,
        /// What its program wrote.
        bytes: &'a [u8],
    },
    /// It came to its end.
    Done {
        /// The step.
        step: StepId,
        /// How long it took.
        took: Duration,
    },
    /// It failed; the error is the build's.
    Failed {
        /// The step.
        step: StepId,
        /// How long it took.
        took: Duration,
    },
    /// Another step failed, or the user cancelled the build, while this one was being executed.
    Canceled {
        /// The step.
        step: StepId,
    },
}

impl Event<'_> {
    /// The step that it is about.
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

    /// The same for another step: several plans may be shown as one.
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

/// Work besides the steps: `importing cache manifest from …`. A task is identified by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent<'a> {
    /// It begins.
    Started {
        /// What it is called.
        task: &'a str,
    },
    /// Something to tell of it.
    Note {
        /// What it is called.
        task: &'a str,
        /// One line.
        text: &'a str,
    },
    /// The number of bytes sent so far; it decreases when a transfer starts over.
    Moved {
        /// What it is called.
        task: &'a str,
        /// How many bytes so far.
        bytes: u64,
    },
    /// It came to its end.
    Done {
        /// What it is called.
        task: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// It failed; the error is the build's.
    Failed {
        /// What it is called.
        task: &'a str,
        /// Why it failed.
        message: &'a str,
    },
}

impl<'a> TaskEvent<'a> {
    /// The same for a task with another name.
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

    /// The name of the task.
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

/// Shows the progress; called from several threads.
pub trait Progress: Sync {
    /// Something happens to a step.
    fn event(&self, event: Event<'_>);

    /// Whether a program's standard error is passed to [`Self::errors`]. The two streams are then in the order in which
    /// they are read.
    fn tells_errors_apart(&self) -> bool {
        false
    }

    /// The step's program wrote this to its standard error.
    fn errors(&self, step: StepId, bytes: &[u8]) {
        self.event(Event::Output { step, bytes });
    }

    /// Something is done that is not a step.
    fn task(&self, event: TaskEvent<'_>);

    /// The resources that the program of a step used; called before the step ends.
    fn used(&self, _: StepId, _: &Resources) {}

    /// Something the user should know that is not an error.
    fn warn(&self, text: &str);
}
