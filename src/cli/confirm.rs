//! Asks before something is removed.

use std::io;

use crate::base::io_error::{AtPath as _, IoError};
use crate::cli::output::{self, Stream};

/// Prints `warning` and docker's question to standard output, as docker does; true if the answer is yes. No answer
/// means no.
pub fn ask(warning: &str) -> Result<bool, IoError> {
    ask_on(Stream::Output, warning)
}

/// The same if standard output is used for something else.
pub fn ask_on(stream: Stream, warning: &str) -> Result<bool, IoError> {
    output::ask(stream, format_args!("{warning}\nAre you sure you want to continue? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).at("read", "standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
