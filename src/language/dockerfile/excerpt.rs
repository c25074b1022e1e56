//! A message about a place in a file, with the lines and the place marked.
//!
//! ```text
//! Dockerfile:2:1: unknown instruction `RUNN`
//!   1 | FROM busybox
//!   2 | RUNN true
//!     | ^^^^
//! hint: did you mean `RUN`?
//! ```

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use super::Lines;
use crate::base::redaction;

/// Only the first and the last lines of a long instruction are shown.
const SHOWN_AT_EACH_END: u32 = 4;
/// Longer lines are truncated.
const SHOWN_COLUMNS: usize = 160;

/// A place in the file: a physical line from 1, a column in characters from 1, and how many characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub length: u32,
}

impl Span {
    /// All of a line, without the blanks around it.
    pub fn of_line(source: &[u8], number: u32) -> Option<Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let line = String::from_utf8_lossy(source.split(|byte| *byte == b'\n').nth(index)?).into_owned();
        let line = line.trim_start_matches('\u{feff}').trim_end();
        let text = line.trim_start();
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let column = count(line) - count(text) + 1;
        (!text.is_empty()).then(|| Self { line: number, column, length: count(text) })
    }
}

/// The line with which the message starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// That of the place, if there is one.
    Place,
    /// The first of the instruction, like the reference for errors found after parsing.
    Instruction,
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
    pub heading: Heading,
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
        let is_at_place = |span: &Span| self.heading == Heading::Place || span.line == self.lines.first;
        match self.span.filter(is_at_place) {
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

/// Control characters are shown as blanks, so that columns and the terminal stay intact.
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
    let length = (span.length as usize).clamp(1, SHOWN_COLUMNS);
    // A character may take two columns on a terminal, or none. A control character is shown as a blank.
    let width = |character: char| character.width().unwrap_or(1);
    let before = line.chars().take(start).map(width).sum::<usize>() + start.saturating_sub(line.chars().count());
    let marked = line.chars().skip(start).take(length).map(width).sum::<usize>();
    format!("{}{}", " ".repeat(before), "^".repeat(marked.max(1)))
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
            heading: Heading::Place,
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
            heading: Heading::Place,
            message: "exit code 33",
            hint: None,
        };
        let text = excerpt.render();
        assert!(text.starts_with("Dockerfile:2: exit code 33\n   1 | line 1 \\\n>  2 | line 2 \\\n"), "{text}");
        assert!(text.contains("\n>  5 | line 5 \\\n   … |\n> 17 | line 17 \\\n"), "{text}");
    }

    #[test]
    fn marks_stand_below_what_they_mark() {
        let marked = |line: &str, column, length| {
            let span = Some(Span { line: 1, column, length });
            let (lines, heading) = (Lines { first: 1, last: 1 }, Heading::Place);
            let source = line.as_bytes();
            let excerpt = Excerpt { file_name: "f", source, lines, span, heading, message: "m", hint: None };
            excerpt.render().lines().last().unwrap_or_default().split_once("| ").unwrap_or_default().1.to_owned()
        };
        assert_eq!(marked("COPY\ta b", 6, 1), "     ^");
        assert_eq!(marked("COPY 漢字 b", 6, 2), "     ^^^^");
        assert_eq!(marked("COPY 漢字 b", 9, 1), "          ^");
        assert_eq!(marked("COPY e\u{301} b", 9, 1), "       ^");
    }

    #[test]
    fn the_instruction_heads_what_is_met_after_reading() {
        let excerpt = Excerpt {
            file_name: "f",
            source: b"COPY a \\\n  b\n",
            lines: Lines { first: 1, last: 2 },
            span: Some(Span { line: 2, column: 3, length: 1 }),
            heading: Heading::Instruction,
            message: "m",
            hint: None,
        };
        assert_eq!(excerpt.render(), "f:1: m\n  1 | COPY a \\\n  2 |   b\n    |   ^");
    }

    #[test]
    fn places_outside_the_file_do_no_harm() {
        for first in [0, 1, 2, 9] {
            let excerpt = Excerpt {
                file_name: "f",
                source: b"\xff\x1b[0m\r\n",
                lines: Lines { first, last: first },
                span: Some(Span { line: first, column: 900, length: 900 }),
                heading: Heading::Place,
                message: "m",
                hint: None,
            };
            assert!(!excerpt.render().contains('\u{1b}'));
        }
    }
}
