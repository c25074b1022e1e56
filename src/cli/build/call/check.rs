//! Checks as text and as JSON, both in buildx's form.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::{base64, location, pretty};
use crate::build::{Checked, Findings};
use crate::language::dockerfile::Lines;
use crate::language::dockerfile::lint::Warning;

const RULER: &str = "--------------------";

/// Each warning with its rule, the rule's page, and the lines it is about.
pub(super) fn text(checked: &Checked) -> String {
    let findings = &checked.findings;
    let mut text = match (findings.warnings.len(), &checked.fault) {
        (0, Some(_)) => return String::new(),
        (0, None) => return "Check complete, no warnings found.\n".to_owned(),
        (1, _) => "Check complete, 1 warning has been found!\n".to_owned(),
        (count, _) => format!("Check complete, {count} warnings have been found!\n"),
    };
    for warning in &findings.warnings {
        let _ = write!(text, "\nWARNING: {} - {}\n{}\n", warning.rule.name, warning.rule.url(), warning.detail);
        excerpt(&mut text, findings, range(warning));
    }
    if checked.fault.is_some() {
        text.push('\n');
    }
    text
}

/// The lines of a warning: the whole instruction, or only its last line.
pub(super) fn range(warning: &Warning) -> Lines {
    if warning.line == warning.lines.first { warning.lines } else { Lines { first: warning.line, last: warning.line } }
}

/// The marked lines, with a context of two around a single line and one around several.
fn excerpt(text: &mut String, findings: &Findings, lines: Lines) {
    let source: Vec<&[u8]> = findings.source.split(|byte| *byte == b'\n').collect();
    let count = u32::try_from(source.len()).unwrap_or(u32::MAX);
    let around = if lines.first == lines.last { 2 } else { 1 };
    let first = lines.first.saturating_sub(around).max(1);
    let last = lines.last.saturating_add(around).min(count);
    let _ = writeln!(text, "{}:{}\n{RULER}", findings.file_name, lines.first);
    for (line, number) in source.iter().zip(1..).filter(|(_, number)| (first..=last).contains(number)) {
        let marker = if (lines.first..=lines.last).contains(&number) { ">>>" } else { "   " };
        let _ = writeln!(text, "{}", format!(" {number:>3} | {marker} {}", shown(line)).trim_end());
    }
    let _ = writeln!(text, "{RULER}");
}

/// Characters that could move the cursor are shown as blanks.
fn shown(line: &[u8]) -> String {
    let clean = |character: char| if character.is_control() && character != '\t' { ' ' } else { character };
    String::from_utf8_lossy(line).chars().map(clean).collect()
}

/// One object with the warnings, the file, and the error.
pub(super) fn json(checked: &Checked) -> String {
    let findings = &checked.findings;
    let warnings: Vec<_> = findings.warnings.iter().map(warning).collect();
    // As the frontend is told it: the name alone.
    let name = Path::new(&findings.file_name).file_name().map_or_else(Default::default, OsStr::to_string_lossy);
    let source = json!({ "filename": name, "language": "Dockerfile", "data": base64(&findings.source) });
    let mut report = json!({ "warnings": warnings, "sources": [source] });
    if let Some(fault) = &checked.fault {
        let place = fault.lines.map_or_else(|| json!({}), location);
        report["buildError"] = json!({ "message": fault.message, "location": place });
    }
    pretty(&report)
}

fn warning(warning: &Warning) -> serde_json::Value {
    json!({
        "ruleName": warning.rule.name,
        "description": warning.rule.description,
        "url": warning.rule.url(),
        "detail": warning.detail,
        "location": location(range(warning)),
    })
}
