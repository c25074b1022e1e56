//! Shows a build when it has ended: a probe that turns out to need rights that this process lacks is followed by another
//! process, which shows the build from the start.

use std::sync::{Mutex, PoisonError};

use super::shown::{Shown, Steps};
use super::summary::End;
use crate::base::rights;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::language::plan::StepId;
use crate::transport::registry;

pub struct HeldBack {
    shown: Box<dyn Shown>,
    held: Mutex<Vec<Held>>,
}

enum Held {
    Planned(Steps),
    Cached(StepId),
    Warning(String),
}

impl HeldBack {
    pub fn new(shown: Box<dyn Shown>) -> Self {
        Self { shown, held: Mutex::default() }
    }

    /// Something is done: whoever does it again with rights tells it.
    fn is_no_probe(&self) {
        let _ = rights::held();
    }

    fn hold(&self, held: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }
}

impl Progress for HeldBack {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Cached { step } => self.hold(Held::Cached(step)),
            _ => self.is_no_probe(),
        }
    }

    fn task(&self, _: TaskEvent<'_>) {
        self.is_no_probe();
    }

    fn warn(&self, text: &str) {
        self.hold(Held::Warning(text.to_owned()));
    }
}

impl Shown for HeldBack {
    fn add(&self, steps: &Steps) {
        self.hold(Held::Planned(steps.clone()));
    }

    fn transfers(&self, _: &str) -> Box<dyn registry::Progress> {
        Box::new(registry::Silent)
    }

    fn close(&self) {
        self.shown.close();
    }

    fn end(&self, end: End) {
        for held in self.held.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            match held {
                Held::Planned(steps) => self.shown.add(&steps),
                Held::Cached(step) => self.shown.event(Event::Cached { step }),
                Held::Warning(text) => self.shown.warn(&text),
            }
        }
        self.shown.end(end);
    }
}
