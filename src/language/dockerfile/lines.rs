//! The line reader: physical lines → logical lines, without comments, with continuations joined and a mapping back to
//! the file.

use super::error::{ParseError, ParseErrorKind, Phase};
use super::syntax::{Segment, SourceMap};
use super::{Lines, directives::LineDirectives};

/// A physical line, its line end included, has at most this many bytes.
pub(super) const LINE_LIMIT: usize = 65_536;

/// A logical line: one instruction without the bodies of its heredocs.
pub(super) struct LogicalLine {
    pub(super) text: String,
    pub(super) lines: Lines,
    pub(super) map: SourceMap,
    pub(super) comments: Vec<String>,
    pub(super) empty_continuation: bool,
}

/// Reads the lines of a file in order.
pub(super) struct LineReader<'a> {
    rest: &'a str,
    /// Physical lines read so far.
    pub(super) read: u32,
    too_long: bool,
    /// The last requested line would have continued an instruction.
    joining: bool,
    pub(super) directives: LineDirectives,
    comments: Vec<String>,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            rest: source,
            read: 0,
            too_long: false,
            joining: false,
            directives: LineDirectives::default(),
            comments: Vec::new(),
        }
    }

    /// The next physical line with its line end; `None` at the end, or if a line is too long.
    pub(super) fn physical(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() || self.too_long {
            return None;
        }
        let (length, ended) = match self.rest.as_bytes().iter().position(|byte| *byte == b'\n') {
            Some(position) => (position + 1, true),
            None => (self.rest.len(), false),
        };
        if length > LINE_LIMIT || (!ended && length == LINE_LIMIT) {
            self.too_long = true;
            return None;
        }
        let (line, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.read += 1;
        Some(line)
    }

    /// The next logical line.
    pub(super) fn logical(&mut self) -> Result<Option<LogicalLine>, ParseError> {
        while let Some(line) = self.physical() {
            let line = if self.read == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
            self.note_comment(line);
            let trimmed = trim_line_end(line).trim_start();
            if self.directives.read(trimmed, self.read)? {
                self.comments.pop();
            }
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            return Ok(Some(self.join(line, trimmed)));
        }
        Ok(None)
    }

    /// The error for a line that was too long, if that ended the reading.
    pub(super) fn check_length(&self) -> Result<(), ParseError> {
        if !self.too_long {
            return Ok(());
        }
        let line = self.read + 1;
        Err(ParseError {
            kind: Box::new(ParseErrorKind::LineTooLong { limit: LINE_LIMIT - 1, continuation: self.joining }),
            phase: Phase::Lines,
            lines: Lines { first: line, last: line },
            span: None,
        })
    }

    fn note_comment(&mut self, line: &str) {
        if !line.trim_start().starts_with('#') {
            return;
        }
        // The reference cuts the first character, whether it is the `#` or a blank before it.
        let mut characters = line.chars();
        characters.next();
        let comment = characters.as_str().trim();
        if comment.is_empty() {
            self.comments.clear();
        } else {
            self.comments.push(comment.to_owned());
        }
    }

    fn join(&mut self, line: &str, trimmed: &str) -> LogicalLine {
        let first = self.read;
        let column = column_of(line, trimmed);
        let mut map = SourceMap(vec![Segment { offset: 0, line: first, column }]);
        let escape = self.directives.escape;
        let (start, mut complete) = without_continuation(trimmed, escape);
        let mut text = start.to_owned();
        let mut empty_continuation = false;
        while !complete {
            let Some(line) = self.physical() else {
                self.joining = true;
                break;
            };
            let line = trim_line_end(line);
            let visible = line.trim_start();
            if visible.starts_with('#') {
                continue;
            }
            if visible.is_empty() {
                empty_continuation = true;
                continue;
            }
            let part;
            (part, complete) = without_continuation(line, escape);
            map.0.push(Segment { offset: offset(text.len()), line: self.read, column: 1 });
            text.push_str(part);
        }
        LogicalLine {
            text,
            lines: Lines { first, last: self.read },
            map,
            comments: std::mem::take(&mut self.comments),
            empty_continuation,
        }
    }
}

/// Offsets in a logical line fit: a file of 4 GiB is refused before it is read.
pub(super) fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn column_of(line: &str, part: &str) -> u32 {
    let before = line.len() - line.trim_start().len();
    let visible = if part.is_empty() { 0 } else { before };
    1 + offset(line[..visible].chars().count())
}

fn trim_line_end(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The line without its continuation marker and trailing blanks, and whether the instruction is complete. A marker
/// right after another escape character does not count.
fn without_continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, false),
        _ => (line, true),
    }
}
