//! What the lint says at the end of a build.

use crate::build::Findings;
use crate::cli::output::{self, Style};

/// Shows the warnings, once, on standard error.
pub fn print(findings: &Findings) {
    let heading = match findings.warnings.len() {
        0 => return,
        1 => "1 warning:".to_owned(),
        count => format!("{count} warnings:"),
    };
    output::say("");
    output::say_styled(Style::Yellow, heading);
    for excerpt in findings.excerpts() {
        output::say(format_args!("{excerpt}\n"));
    }
}
