//! What the lint says at the end of a build.

use std::io::{IsTerminal as _, Write as _};

use crate::build::Findings;

/// Shows the warnings, once, on standard error.
pub fn print(findings: &Findings) {
    let heading = match findings.warnings.len() {
        0 => return,
        1 => "1 warning:".to_owned(),
        count => format!("{count} warnings:"),
    };
    let heading = if std::io::stderr().is_terminal() { format!("\u{1b}[33m{heading}\u{1b}[0m") } else { heading };
    let mut text = format!("\n{heading}\n");
    for excerpt in findings.excerpts() {
        text.push_str(&excerpt);
        text.push_str("\n\n");
    }
    // Nobody may be there to read it.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
