//! Asks before something is removed.

use std::io;

use crate::base::io_error::{AtPath as _, IoError};
use crate::cli::output;

/// Prints `warning` and docker's question to stderr; true when the answer is yes. No answer is no.
pub fn ask(warning: &str) -> Result<bool, IoError> {
    output::ask(format_args!("{warning}\nAre you sure you want to continue? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).at("read", "standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
