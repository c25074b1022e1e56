//! The only place that writes to standard output and standard error, and reads standard input.
//!
//! Text from an image, a registry, a container or another user is untrusted: on a terminal, its control characters are
//! made visible; a pipe or a file gets the raw bytes. As with docker, only a container's own streams reach a terminal
//! unchanged (`run`, `exec`, `attach`, `logs`). A reader may close the output at any time: that is not an error.

pub mod area;
mod style;
mod visible;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;

use crate::base::io_error::{AtPath as _, IoError};

pub use style::{Style, colours_are_wanted, fit, width};
pub use visible::{Colours, one_line, visible};

/// Moves to the upper left and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

/// An output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Output,
    Error,
}

impl Stream {
    /// Cached: it does not change while the program runs.
    pub fn is_terminal(self) -> bool {
        static ANSWERS: [OnceLock<bool>; 2] = [OnceLock::new(), OnceLock::new()];
        match self {
            Self::Output => *ANSWERS[0].get_or_init(|| io::stdout().is_terminal()),
            Self::Error => *ANSWERS[1].get_or_init(|| io::stderr().is_terminal()),
        }
    }

    /// Writes prepared bytes, after erasing the lines at the bottom of the terminal.
    fn write(self, bytes: &[u8]) -> io::Result<()> {
        let _drawing = area::erase();
        self.write_beside_area(bytes)
    }

    fn write_beside_area(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Output => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::Error => io::stderr().lock().write_all(bytes),
        }
    }

    /// Writes untrusted text.
    fn write_text(self, bytes: &[u8], colours: Colours) -> io::Result<()> {
        match self.is_terminal() {
            true => self.write(visible(bytes, colours).as_bytes()),
            false => self.write(bytes),
        }
    }
}

/// Writes `text` to standard output.
pub fn print(text: &str) -> Result<(), IoError> {
    print_bytes(text.as_bytes())
}

/// The same for bytes that may not be UTF-8.
pub fn print_bytes(bytes: &[u8]) -> Result<(), IoError> {
    unless_closed(Stream::Output.write_text(bytes, Colours::Shown))
}

/// Writes `text` to standard output, on a cleared screen.
pub fn print_over(text: &str) -> Result<(), IoError> {
    unless_closed(Stream::Output.write(CLEAR.as_bytes()))?;
    print(text)
}

fn unless_closed(written: io::Result<()>) -> Result<(), IoError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(IoError { action: "write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Ignores a missing reader.
pub fn say(line: impl Display) {
    let _ = Stream::Error.write_text(format!("{line}\n").as_bytes(), Colours::Shown);
}

/// Writes a program's output to standard error, with `mark` before each line. On a terminal it keeps its colours, and
/// overwritten text is shown line by line.
pub fn say_printed(mark: &str, printed: &str) {
    let is_terminal = Stream::Error.is_terminal();
    let ends = |character: char| character == '\n' || is_terminal && character == '\r';
    let lines = printed.split(ends).filter(|line| !is_terminal || !line.is_empty());
    let text: String = lines.map(|line| format!("{mark}{line}\n")).collect();
    let _ = Stream::Error.write_text(text.as_bytes(), Colours::of_program());
}

/// The same for a styled line of rbuild itself.
pub fn say_styled(style: Style, line: impl Display) {
    let line = visible(line.to_string().as_bytes(), Colours::Shown).into_owned();
    let shown = if Stream::Error.is_terminal() && colours_are_wanted() { style.paint(&line) } else { line };
    let _ = Stream::Error.write(format!("{shown}\n").as_bytes());
}

/// Writes text to standard error that is already safe.
pub fn say_prepared(bytes: &[u8]) {
    let _ = Stream::Error.write(bytes);
}

/// Writes a question; the answer is typed after it.
pub fn ask(stream: Stream, question: impl Display) {
    let _ = stream.write_text(question.to_string().as_bytes(), Colours::Shown);
}

/// Writes the help of a command, to standard output if that was requested.
pub fn help(text: &clap::builder::StyledStr, is_answer: bool) -> Result<(), IoError> {
    let stream = if is_answer { Stream::Output } else { Stream::Error };
    unless_closed(match stream.is_terminal() && colours_are_wanted() {
        true => stream.write_text(text.ansi().to_string().as_bytes(), Colours::Kept),
        false => stream.write_text(text.to_string().as_bytes(), Colours::Removed),
    })
}

/// Standard output for bytes, without std's line buffering.
pub fn raw_stdout() -> Result<File, IoError> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned().at("open", "standard output")?))
}

/// Standard error for a container's output.
pub fn raw_stderr() -> Result<File, IoError> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned().at("open", "standard error")?))
}

/// Standard input for bytes, which another thread may read.
pub fn raw_stdin() -> Result<File, IoError> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned().at("open", "standard input")?))
}
