//! Shows one build, or several at the same time with consecutive step numbers.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::shown::{Shown, Steps};
use crate::build::solve::TaskEvent;

/// Shows builds in one of the formats.
pub struct Display {
    shown: Box<dyn Shown>,
    /// How many steps have numbers.
    steps: Mutex<usize>,
}

impl Display {
    pub fn of(shown: Box<dyn Shown>) -> Self {
        Self { shown, steps: Mutex::default() }
    }

    /// The format.
    pub(super) fn shown(&self) -> &dyn Shown {
        self.shown.as_ref()
    }

    /// An event of a task besides the builds.
    pub fn task(&self, event: TaskEvent<'_>) {
        self.shown.task(event);
    }

    /// A warning about all builds.
    pub fn warn(&self, text: &str) {
        self.shown.warn(text);
    }

    /// All builds have ended.
    pub fn close(self) {
        self.shown.close();
    }

    /// Adds steps, and returns their numbers.
    pub(super) fn add(&self, steps: &Steps) -> Range<usize> {
        let mut known = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = *known..*known + steps.titles.len();
        *known = numbers.end;
        self.shown.add(steps);
        numbers
    }
}
