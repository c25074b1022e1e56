//! Parser directives: `# syntax=`, `# escape=`, `# check=`.
//!
//! They are read twice, with different rules, like the reference. The line reader uses `escape` (white space before `#`
//! is allowed, a `#!` line ends the block); a scan of the raw file uses `syntax` and `check` (`#` in the first column,
//! a `#!` line is skipped).

use super::error::{ParseError, ParseErrorKind, Phase};
use super::excerpt::Span;
use super::syntax::{Directive, Directives};
use super::{Lines, grammar};

const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// A block of directives at the start of a file.
#[derive(Debug, Default)]
struct Block {
    done: bool,
    seen: Vec<(&'static str, u32)>,
}

impl Block {
    /// The directive in the line; the first line without one ends the block.
    fn read<'l>(&mut self, line: &'l str, number: u32) -> Result<Option<(&'static str, &'l str)>, ParseErrorKind> {
        if self.done {
            return Ok(None);
        }
        let found = line.starts_with('#').then(|| grammar::directive(line)).flatten().and_then(|(key, value)| {
            let key = key.to_ascii_lowercase();
            NAMES.iter().find(|name| **name == key).map(|name| (*name, value))
        });
        let Some((name, value)) = found else {
            self.done = true;
            return Ok(None);
        };
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == name) {
            return Err(ParseErrorKind::DuplicateDirective { name: name.to_owned(), first: *first });
        }
        self.seen.push((name, number));
        Ok(Some((name, value)))
    }
}

/// The line reader's state of directives.
#[derive(Debug)]
pub(super) struct LineDirectives {
    block: Block,
    pub(super) escape: char,
    pub(super) escape_directive: Option<Directive>,
}

impl Default for LineDirectives {
    fn default() -> Self {
        Self { block: Block::default(), escape: '\\', escape_directive: None }
    }
}

impl LineDirectives {
    /// Reads a line without the white space before it. True when it is a directive.
    pub(super) fn read(&mut self, line: &str, number: u32) -> Result<bool, ParseError> {
        let error = |kind| ParseError {
            kind: Box::new(kind),
            phase: Phase::Lines,
            lines: Lines { first: number, last: number },
            span: Some(Span { line: number, column: 1, length: u32::try_from(line.chars().count()).unwrap_or(1) }),
        };
        let Some((name, value)) = self.block.read(line, number).map_err(error)? else {
            return Ok(false);
        };
        if name == "escape" {
            self.escape_directive = Some(Directive { value: value.to_owned(), line: number });
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => return Err(error(ParseErrorKind::InvalidEscape { value: value.to_owned() })),
            };
        }
        Ok(true)
    }
}

/// `syntax` and `check`, from the raw file. A repeated directive ends the scan and keeps what was found.
pub(super) fn scan(source: &str) -> Directives {
    let mut directives = Directives::default();
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut block = Block::default();
    for (line, number) in source.split('\n').zip(1..) {
        if number == 1 && line.starts_with("#!") {
            continue;
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Ok(Some((name, value))) = block.read(line, number) else { break };
        let directive = Some(Directive { value: value.to_owned(), line: number });
        match name {
            "syntax" => directives.syntax = directive,
            "check" => directives.check = directive,
            _ => {}
        }
    }
    directives
}
