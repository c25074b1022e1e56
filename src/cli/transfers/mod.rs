//! What is shown while images are transferred: docker's lines, bars on a terminal, or nothing.

mod bars;
mod lines;

use std::io::IsTerminal as _;

use crate::registry::{Progress, Repository, Silent};

use bars::Bars;
use lines::Lines;

/// What the transfer is, which decides the words and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pull,
    Push,
    /// Something that another command needs: told on standard error.
    Background,
}

/// The display for a transfer: docker shows it on standard output. It ends when it is dropped.
pub fn display(kind: Kind, quiet: bool) -> Box<dyn Progress> {
    let is_terminal = match kind {
        Kind::Background => std::io::stderr().is_terminal(),
        Kind::Pull | Kind::Push => std::io::stdout().is_terminal(),
    };
    match (quiet, is_terminal) {
        (true, _) => Box::new(Silent),
        (false, true) => Box::new(Bars::new(kind)),
        (false, false) => Box::new(Lines::new(kind)),
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
