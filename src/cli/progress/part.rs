//! One of the builds on a display: maps its steps to the display's numbers and names.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::display::Display;
use super::shown::Steps;
use super::summary::{Built, EXPORT, End, Outcome, Tally, named};
use crate::build::explain::Resources;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{Findings, Observer};
use crate::language::plan::{Plan, StepId};
use crate::transport::registry;

/// A build that is shown and counted.
pub struct Part<'a> {
    display: &'a Display,
    /// The name of one of several builds.
    name: Option<String>,
    /// The display's numbers of its steps.
    steps: OnceLock<Range<usize>>,
    tally: Mutex<Tally>,
    findings: Mutex<Findings>,
}

impl<'a> Part<'a> {
    /// The only build, or one of several, whose steps have its name.
    pub fn of(display: &'a Display, name: Option<&str>) -> Self {
        let name = name.map(str::to_owned);
        let tally = Mutex::new(Tally::new());
        Self { display, name, steps: OnceLock::new(), tally, findings: Mutex::default() }
    }

    /// The build begins.
    pub fn begin(&self) {
        *lock(&self.tally) = Tally::new();
    }

    /// The build succeeded.
    pub fn built(&self, built: Built) {
        self.end(Outcome::Built(built));
    }

    /// The build failed, and this is why.
    pub fn failed(&self, message: &str) {
        self.end(Outcome::Failed(message.to_owned()));
    }

    fn end(&self, outcome: Outcome) {
        let end = End {
            name: self.name.clone(),
            steps: self.steps.get().cloned().unwrap_or_default(),
            tally: std::mem::replace(&mut lock(&self.tally), Tally::new()),
            findings: std::mem::take(&mut lock(&self.findings)),
            outcome,
        };
        self.display.shown().end(end);
    }

    /// The title in this build.
    fn named<'t>(&self, title: &'t str) -> Cow<'t, str> {
        named(self.name.as_deref(), title)
    }

    fn first(&self) -> usize {
        self.steps.get().map_or(0, |steps| steps.start)
    }
}

impl Progress for Part<'_> {
    fn event(&self, event: Event<'_>) {
        // Output of a step is not counted.
        if !matches!(event, Event::Output { .. }) {
            lock(&self.tally).step(&event);
        }
        let step = StepId(self.first() + event.step().0);
        self.display.shown().event(event.of_step(step));
    }

    fn task(&self, event: TaskEvent<'_>) {
        self.display.shown().task(event.of_task(&self.named(event.task())));
    }

    fn used(&self, step: StepId, resources: &Resources) {
        self.display.shown().used(StepId(self.first() + step.0), resources);
    }

    fn warn(&self, text: &str) {
        match &self.name {
            Some(name) => self.display.shown().warn(&format!("target {name}: {text}")),
            None => self.display.shown().warn(text),
        }
    }
}

impl Observer for Part<'_> {
    fn planned(&self, plan: &Plan) {
        lock(&self.tally).plan(plan);
        let titles = plan.steps.iter().map(|step| self.named(&step.title).into_owned()).collect();
        let inputs = plan.steps.iter().map(|step| step.operation.inputs()).collect();
        let numbers = self.display.add(&Steps { titles, inputs });
        let _ = self.steps.set(numbers);
    }

    fn found(&self, findings: &Findings) {
        lock(&self.findings).clone_from(findings);
    }

    fn transfers(&self) -> Box<dyn registry::Progress> {
        self.display.shown().transfers(&self.named(EXPORT))
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
