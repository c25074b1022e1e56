//! Words with the place where they stand, so that an error can mark the one that it is about.

use std::fmt;
use std::ops::Deref;

use super::Lines;
use super::excerpt::Span;

/// A word of an instruction: its text before any variable is expanded, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    pub text: String,
    /// Of a flag the whole of it. Nothing where the word is in no file: the trigger of a base image.
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

/// What an error is about: an instruction, and the word in it where it is a single one.
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
