//! What is shown while a build runs: plain lines, a live display on a terminal, or nothing.

mod held_back;
mod plain;
mod terminal;

use std::io::IsTerminal as _;

pub use plain::Plain;
pub use terminal::Terminal;

use crate::build::Observer;
use crate::plan::Plan;
use crate::rights;
use crate::solve::{Event, Progress, TaskEvent};

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
    /// Nothing but errors
    Quiet,
}

/// The display for the mode, writing to standard error.
pub fn observer(mode: ProgressMode) -> Box<dyn Observer> {
    let shown = display(mode);
    if rights::are_put_off() { Box::new(held_back::HeldBack::new(shown)) } else { shown }
}

fn display(mode: ProgressMode) -> Box<dyn Observer> {
    let is_terminal = std::io::stderr().is_terminal();
    match mode {
        ProgressMode::Quiet => Box::new(Quiet),
        ProgressMode::Tty => Box::new(Terminal::new()),
        ProgressMode::Auto if is_terminal => Box::new(Terminal::new()),
        ProgressMode::Auto | ProgressMode::Plain => Box::new(Plain::new()),
    }
}

/// Shows nothing.
struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event<'_>) {}
    fn task(&self, _: TaskEvent<'_>) {}
    fn warn(&self, text: &str) {
        eprintln!("warning: {text}");
    }
}

impl Observer for Quiet {
    fn planned(&self, _: &Plan) {}
}
