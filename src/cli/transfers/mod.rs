//! What is shown while images are transferred: docker's lines, bars on a terminal, or nothing.

mod bars;
mod blobs;
mod kind;
mod lines;

use crate::cli::output::{self, Stream, area};
use crate::transport::registry::{Progress, Repository, Silent};

pub use blobs::{Blobs, bar, measured};
pub use kind::Kind;
pub use lines::words;

use bars::Bars;
use lines::Lines;

/// The display for a transfer that is the command's purpose, on standard output as in docker. It ends when it is
/// dropped.
pub fn display(kind: Kind, quiet: bool) -> Box<dyn Progress> {
    if quiet { Box::new(Silent) } else { display_on(kind, Stream::Output) }
}

/// The same for a transfer that a command needs, separate from its output.
pub fn display_on_stderr(kind: Kind) -> Box<dyn Progress> {
    display_on(kind, Stream::Error)
}

/// One line for each event, even on a terminal.
pub fn lines_on_stderr(kind: Kind) -> Box<dyn Progress> {
    Box::new(Lines::new(kind, Stream::Error))
}

fn display_on(kind: Kind, stream: Stream) -> Box<dyn Progress> {
    match stream.is_terminal() && !area::is_simple() {
        true => Box::new(Bars::new(kind, stream)),
        false => Box::new(Lines::new(kind, stream)),
    }
}

/// Says which mirror was used, and why others failed.
pub fn tell_mirrors(repository: &Repository) {
    for failure in repository.take_mirror_failures() {
        output::say(format_args!("warning: mirror {failure}"));
    }
    if let Some(mirror) = repository.served_by_mirror() {
        output::say(format_args!("{} was served by the mirror {mirror}", repository.name()));
    }
}

/// The value of `--parallel`.
pub fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("it is a number from 1 to 64".to_owned()),
    }
}
