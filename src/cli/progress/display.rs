//! What shows one build, or several at the same time: their steps are numbered through.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::shown::{Shown, Steps};
use crate::build::solve::TaskEvent;

/// A way to show builds, with all that it shows.
pub struct Display {
    shown: Box<dyn Shown>,
    /// How many steps are known.
    steps: Mutex<usize>,
}

impl Display {
    pub fn of(shown: Box<dyn Shown>) -> Self {
        Self { shown, steps: Mutex::default() }
    }

    /// How it shows them.
    pub(super) fn shown(&self) -> &dyn Shown {
        self.shown.as_ref()
    }

    /// Something beside the builds.
    pub fn task(&self, event: TaskEvent<'_>) {
        self.shown.task(event);
    }

    /// Something about all builds.
    pub fn warn(&self, text: &str) {
        self.shown.warn(text);
    }

    /// All builds are over.
    pub fn close(self) {
        self.shown.close();
    }

    /// Takes in more steps, and gives the numbers that they are known by.
    pub(super) fn add(&self, steps: &Steps) -> Range<usize> {
        let mut known = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = *known..*known + steps.titles.len();
        *known = numbers.end;
        self.shown.add(steps);
        numbers
    }
}
