//! Words with their place in the file, so that an error can mark the word in question.

use std::fmt;
use std::ops::Deref;

use super::Lines;
use super::excerpt::Span;

/// A word of an instruction: its text before any variable is expanded, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub text: String,
    /// For a flag, the place of the whole flag. `None` if the word is in no file: in the trigger of a base image.
    pub span: Option<Span>,
}

impl Word {
    /// The place, with the lines of the word's instruction.
    pub fn place(&self, lines: Lines) -> Place {
        Place { lines, span: self.span }
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The subject of an error: an instruction, and the word in it if it is a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub lines: Lines,
    pub span: Option<Span>,
}

impl From<Lines> for Place {
    fn from(lines: Lines) -> Self {
        Self { lines, span: None }
    }
}
