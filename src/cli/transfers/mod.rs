//! What is shown while images are transferred: docker's lines, bars on a terminal, or nothing.

mod bars;
mod lines;

use std::io::IsTerminal as _;

use indicatif::ProgressDrawTarget;

use crate::registry::{Progress, Repository, Silent};

use bars::Bars;
use lines::{Lines, Stream};

/// What the transfer is, which decides the words and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pull,
    Push,
}

/// The display for a transfer that is a command's own work: docker shows it on standard output. It ends when it is
/// dropped.
pub fn display(kind: Kind, quiet: bool) -> Box<dyn Progress> {
    match (quiet, std::io::stdout().is_terminal()) {
        (true, _) => Box::new(Silent),
        (false, true) => Box::new(Bars::new(kind, ProgressDrawTarget::stdout())),
        (false, false) => Box::new(Lines::new(kind, Stream::Output)),
    }
}

/// The same for what a command needs on the way: what it prints itself stays apart.
pub fn display_on_stderr(kind: Kind, is_live: bool) -> Box<dyn Progress> {
    match is_live {
        true => Box::new(Bars::new(kind, ProgressDrawTarget::stderr())),
        false => Box::new(Lines::new(kind, Stream::Error)),
    }
}

/// Says which mirror served, and what became of those that were passed over.
pub fn tell_mirrors(repository: &Repository) {
    for failure in repository.take_mirror_failures() {
        eprintln!("warning: mirror {failure}");
    }
    if let Some(mirror) = repository.served_by_mirror() {
        eprintln!("{} was served by the mirror {mirror}", repository.name());
    }
}

/// The value of `--parallel`.
pub fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("it is a number from 1 to 64".to_owned()),
    }
}
