//! What is shown while a build runs: plain lines, a live display on a terminal, JSON for programs, or nothing.

mod held_back;
mod layout;
mod lines;
mod model;
mod plain;
pub mod raw_json;
mod shown;
mod summary;
mod terminal;
pub mod work;

use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::ValueEnum as _;

use plain::Plain;
use raw_json::RawJson;
use summary::{End, Outcome, Tally};
use terminal::Terminal;

use shown::Shown;
pub use summary::{Built, BuiltImage};

use crate::base::rights;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::build::{Findings, Observer};
use crate::cli::CliError;
use crate::cli::output::{self, Stream};
use crate::language::plan::Plan;
use crate::transport::registry;

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// `tty` when standard error is a terminal, or else `plain`
    #[default]
    Auto,
    /// A line for each thing that happens
    Plain,
    /// A live display
    Tty,
    /// Nothing but errors, and the image's ID
    Quiet,
    /// Nothing but errors
    None,
    /// JSON objects for programs, one a line
    #[value(name = "rawjson")]
    RawJson,
}

impl ProgressMode {
    /// What `--progress` and `--quiet` mean together. BUILDKIT_PROGRESS says it where they do not.
    pub fn wanted(typed: Option<Self>, quiet: bool) -> Result<Self, CliError> {
        match typed.unwrap_or_default() {
            _ if quiet => Ok(Self::Quiet),
            Self::Auto => Self::of_environment(),
            mode => Ok(mode),
        }
    }

    fn of_environment() -> Result<Self, CliError> {
        match std::env::var("BUILDKIT_PROGRESS") {
            Ok(name) if !name.is_empty() => Self::from_str(&name, false).map_err(|_| {
                let names = Self::value_variants().iter().filter_map(Self::to_possible_value);
                let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
                CliError::new(format!("BUILDKIT_PROGRESS: there is no way `{name}` to show progress"))
                    .hint(format!("there are {}", names.join(", ")))
            }),
            _ => Ok(Self::Auto),
        }
    }

    /// Nothing is said of what goes well.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Quiet | Self::None)
    }
}

/// A build as it is shown, and as it is counted.
pub struct Display {
    shown: Box<dyn Shown>,
    tally: Mutex<Tally>,
    findings: Mutex<Findings>,
}

impl Display {
    /// The display for the mode, writing to standard error.
    pub fn new(mode: ProgressMode) -> Self {
        let shown = display(mode);
        let shown = if rights::are_put_off() { Box::new(held_back::HeldBack::new(shown)) } else { shown };
        Self { shown, tally: Mutex::new(Tally::new()), findings: Mutex::default() }
    }

    /// The build succeeded.
    pub fn built(self, built: &Built) {
        self.end(Outcome::Built(built));
    }

    /// The build failed, and this is why.
    pub fn failed(self, message: &str) {
        self.end(Outcome::Failed(message));
    }

    fn end(self, outcome: Outcome<'_>) {
        self.shown.end(&End { tally: &lock(&self.tally), findings: &lock(&self.findings), outcome });
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn display(mode: ProgressMode) -> Box<dyn Shown> {
    match mode {
        ProgressMode::Quiet | ProgressMode::None => Box::new(Silent),
        ProgressMode::RawJson => Box::new(RawJson::new()),
        ProgressMode::Tty => Box::new(Terminal::new()),
        ProgressMode::Auto if Stream::Error.is_terminal() => Box::new(Terminal::new()),
        ProgressMode::Auto | ProgressMode::Plain => Box::new(Plain::new()),
    }
}

impl Progress for Display {
    fn event(&self, event: Event<'_>) {
        // What a step prints is not counted.
        if !matches!(event, Event::Output { .. }) {
            lock(&self.tally).step(&event);
        }
        self.shown.event(event);
    }

    fn task(&self, event: TaskEvent<'_>) {
        self.shown.task(event);
    }

    fn warn(&self, text: &str) {
        self.shown.warn(text);
    }
}

impl Observer for Display {
    fn planned(&self, plan: &Plan) {
        lock(&self.tally).plan(plan);
        self.shown.planned(plan);
    }

    fn found(&self, findings: &Findings) {
        lock(&self.findings).clone_from(findings);
    }

    fn transfers(&self) -> Box<dyn registry::Progress> {
        self.shown.transfers()
    }
}

/// Shows nothing but warnings of what may go wrong later.
struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
    fn task(&self, _: TaskEvent<'_>) {}
    fn warn(&self, text: &str) {
        output::say(format_args!("warning: {text}"));
    }
}

impl Observer for Silent {
    fn planned(&self, _: &Plan) {}
}

impl Shown for Silent {
    fn end(&self, _: &End<'_>) {}
}
