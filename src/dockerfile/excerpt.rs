//! A message about a place in a file, with the lines shown and the place marked.
//!
//! ```text
//! Dockerfile:2:1: unknown instruction `RUNN`
//!   1 | FROM busybox
//!   2 | RUNN true
//!     | ^^^^
//! hint: did you mean `RUN`?
//! ```

use std::fmt::Write as _;

use super::Lines;
use crate::redaction;

/// Of a long instruction only the first and the last lines are shown.
const SHOWN_AT_EACH_END: u32 = 4;
/// Longer lines are cut.
const SHOWN_COLUMNS: usize = 160;

/// A place in the file: a physical line from 1, a column in characters from 1, and how many characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

impl Span {
    /// Where a text stands in these lines of the file, first of all places: for faults that are met when the
    /// instruction is no longer at hand.
    pub fn find(source: &[u8], lines: Lines, text: &str) -> Option<Self> {
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        if text.is_empty() {
            return None;
        }
        let first = lines.first.max(1);
        let wanted = (lines.last.max(first) - first) as usize + 1;
        let found = physical_lines(source)
            .into_iter()
            .zip(1..)
            .skip(first as usize - 1)
            .take(wanted)
            .find_map(|(line, number)| line.split_once(text).map(|(before, _)| (number, count(before) + 1)));
        found.map(|(line, column)| Self { line, column, length: count(text) })
    }
}

/// What is shown. `source` is the file as read; bytes that are not UTF-8 are shown as U+FFFD.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a> {
    pub file_name: &'a str,
    pub source: &'a [u8],
    /// The instruction's lines, all of them shown.
    pub lines: Lines,
    /// The place marked with carets; without it the lines themselves are marked.
    pub span: Option<Span>,
    pub message: &'a str,
    pub hint: Option<&'a str>,
}

impl Excerpt<'_> {
    /// The text, without a line end at its end.
    pub fn render(&self) -> String {
        let mut text = self.heading();
        let lines: Vec<String> = physical_lines(self.source);
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let first = self.lines.first.max(1);
        let last = self.lines.last.clamp(first, count.max(first));
        let width = last.to_string().len();
        let mut skipped = false;
        for number in first.saturating_sub(1).max(1)..=last.min(count) {
            if self.is_left_out(number, first, last) {
                if !skipped {
                    _ = write!(text, "\n  {:>width$} |", "…");
                }
                skipped = true;
                continue;
            }
            let inside = number >= first;
            let marker = if inside && self.span.is_none() && last > first { '>' } else { ' ' };
            let line = &redaction::in_place(&lines[number as usize - 1]);
            _ = write!(text, "\n{marker} {number:>width$} | {}", shown(line));
            if let Some(span) = self.span.filter(|span| span.line == number) {
                _ = write!(text, "\n  {:>width$} | {}", "", carets(line, span));
            }
        }
        if let Some(hint) = self.hint {
            _ = write!(text, "\nhint: {hint}");
        }
        text
    }

    fn heading(&self) -> String {
        let message = redaction::in_text(self.message);
        match self.span {
            Some(span) => format!("{}:{}:{}: {message}", self.file_name, span.line, span.column),
            None if self.lines.first == 0 => format!("{}: {message}", self.file_name),
            None => format!("{}:{}: {message}", self.file_name, self.lines.first),
        }
    }

    fn is_left_out(&self, number: u32, first: u32, last: u32) -> bool {
        number >= first.saturating_add(SHOWN_AT_EACH_END)
            && number.saturating_add(SHOWN_AT_EACH_END) <= last
            && self.span.is_none_or(|span| span.line.abs_diff(number) > 1)
    }
}

fn physical_lines(source: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = source
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).trim_end_matches('\r').trim_start_matches('\u{feff}').to_owned())
        .collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Control characters are shown as blanks, so that columns stay true and the terminal stays whole.
fn shown(line: &str) -> String {
    let clean = |character: char| if character.is_control() { ' ' } else { character };
    let mut text: String = line.chars().take(SHOWN_COLUMNS).map(clean).collect();
    if line.chars().nth(SHOWN_COLUMNS).is_some() {
        text.push('…');
    }
    text.truncate(text.trim_end().len());
    text
}

fn carets(line: &str, span: Span) -> String {
    let start = (span.column as usize).saturating_sub(1).min(SHOWN_COLUMNS);
    let room = line.chars().count().saturating_sub(start).max(1);
    let length = (span.length as usize).clamp(1, room.min(SHOWN_COLUMNS));
    format!("{}{}", " ".repeat(start), "^".repeat(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_marked() {
        let excerpt = Excerpt {
            file_name: "Dockerfile",
            source: b"FROM busybox\nRUNN true\n",
            lines: Lines { first: 2, last: 2 },
            span: Some(Span { line: 2, column: 1, length: 4 }),
            message: "unknown instruction `RUNN`",
            hint: Some("did you mean `RUN`?"),
        };
        assert_eq!(
            excerpt.render(),
            "Dockerfile:2:1: unknown instruction `RUNN`\n  1 | FROM busybox\n  2 | RUNN true\n    | ^^^^\n\
             hint: did you mean `RUN`?"
        );
    }

    #[test]
    fn a_long_instruction_is_shortened() {
        let source: String = (1..=20).map(|number| format!("line {number} \\\n")).collect();
        let excerpt = Excerpt {
            file_name: "Dockerfile",
            source: source.as_bytes(),
            lines: Lines { first: 2, last: 20 },
            span: None,
            message: "exit code 33",
            hint: None,
        };
        let text = excerpt.render();
        assert!(text.starts_with("Dockerfile:2: exit code 33\n   1 | line 1 \\\n>  2 | line 2 \\\n"), "{text}");
        assert!(text.contains("\n>  5 | line 5 \\\n   … |\n> 17 | line 17 \\\n"), "{text}");
    }

    #[test]
    fn a_text_is_found() {
        let source = b"FROM a\nRUN x \\\n  --from=later\n";
        let span = Span::find(source, Lines { first: 2, last: 3 }, "later");
        assert_eq!(span, Some(Span { line: 3, column: 10, length: 5 }));
        assert_eq!(Span::find(source, Lines { first: 1, last: 1 }, "later"), None);
    }

    #[test]
    fn places_outside_the_file_do_no_harm() {
        for first in [0, 1, 2, 9] {
            let excerpt = Excerpt {
                file_name: "f",
                source: b"\xff\x1b[0m\r\n",
                lines: Lines { first, last: first },
                span: Some(Span { line: first, column: 900, length: 900 }),
                message: "m",
                hint: None,
            };
            assert!(!excerpt.render().contains('\u{1b}'));
        }
    }
}
