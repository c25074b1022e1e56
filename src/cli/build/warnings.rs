//! Prints the lint's warnings at the end of a build.

use crate::build::Findings;
use crate::cli::output::{self, Style};

/// Prints the warnings, once, on standard error. `target` is the name of one of several builds.
pub fn print(target: Option<&str>, findings: &Findings) {
    let of_target = target.map(|name| format!(" for target {name}")).unwrap_or_default();
    let heading = match findings.warnings.len() {
        0 => return,
        1 => format!("1 warning{of_target}:"),
        count => format!("{count} warnings{of_target}:"),
    };
    output::say("");
    output::say_styled(Style::Yellow, heading);
    for excerpt in findings.excerpts() {
        output::say(format_args!("{excerpt}\n"));
    }
}
