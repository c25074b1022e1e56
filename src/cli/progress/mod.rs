//! The progress of a build: plain lines, a live display on a terminal, JSON for programs, or nothing.

mod display;
mod held_back;
mod layout;
mod lines;
mod model;
mod part;
mod plain;
pub mod raw_json;
mod shown;
mod summary;
mod terminal;
pub mod work;

use clap::ValueEnum as _;

use held_back::HeldBack;
use plain::Plain;
use raw_json::RawJson;
use shown::{Shown, Steps};
use summary::End;
use terminal::Terminal;

pub use display::Display;
pub use part::Part;
pub use summary::{Built, BuiltImage};

use crate::base::rights;
use crate::build::solve::{Event, Progress, TaskEvent};
use crate::cli::CliError;
use crate::cli::output::{self, Stream};
use crate::transport::registry;

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// `tty` when standard error is a terminal, or else `plain`
    #[default]
    Auto,
    /// One line for each event
    Plain,
    /// A live display
    Tty,
    /// Only errors and the image's ID
    Quiet,
    /// Only errors
    None,
    /// JSON for programs, one object a line
    #[value(name = "rawjson")]
    RawJson,
}

impl ProgressMode {
    /// Combines `--progress` and `--quiet`. BUILDKIT_PROGRESS is the default.
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
                CliError::new(format!("BUILDKIT_PROGRESS: there is no progress display `{name}`"))
                    .hint(format!("there are {}", names.join(", ")))
            }),
            _ => Ok(Self::Auto),
        }
    }

    /// A display of this kind, on standard error.
    pub fn display(self) -> Display {
        let shown: Box<dyn Shown> = match self {
            Self::Quiet | Self::None => Box::new(Silent),
            Self::RawJson => Box::new(RawJson::new()),
            Self::Tty => Box::new(Terminal::new()),
            Self::Auto if Stream::Error.is_terminal() => Box::new(Terminal::new()),
            Self::Auto | Self::Plain => Box::new(Plain::new()),
        };
        Display::of(if rights::are_deferred() { Box::new(HeldBack::new(shown)) } else { shown })
    }

    /// Success is not reported.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Quiet | Self::None)
    }
}

/// Shows only warnings.
struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
    fn task(&self, _: TaskEvent<'_>) {}
    fn warn(&self, text: &str) {
        output::say(format_args!("warning: {text}"));
    }
}

impl Shown for Silent {
    fn add(&self, _: &Steps) {}

    fn transfers(&self, _: &str) -> Box<dyn registry::Progress> {
        Box::new(registry::Silent)
    }

    fn end(&self, _: End) {}
}
