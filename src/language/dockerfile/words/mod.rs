//! The expansion of words: variables, quotes and escapes, as in the Dockerfile language.
//!
//! Owns `${v:-x}` and its relatives, the removal of quotes and escapes, and word splitting. It must not know where the
//! variables come from.

mod error;
mod expand;
mod grammar;
mod pattern;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use error::{WordError, WordErrorKind};

/// The source of variables' values. Names are compared as written.
pub trait Variables {
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl Variables for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        HashMap::get(self, name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        BTreeMap::get(self, name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// Pairs in order; the last one of a name wins.
impl Variables for [(String, String)] {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.iter().rev().find(|(key, _)| key == name).map(|(_, value)| Cow::Borrowed(value.as_str()))
    }
}

/// No variable is set.
#[derive(Debug, Clone, Copy)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The expansion of a word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    pub text: String,
    /// Variables that were looked up and set.
    pub used: BTreeSet<String>,
    /// Variables that were looked up and not set, those with a default included.
    pub unmatched: BTreeSet<String>,
}

/// Expands words. The switches are off unless a builder method turns them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexer {
    escape: char,
    process_quotes: bool,
    keep_quotes: bool,
    keep_escapes: bool,
    keep_unset: bool,
}

impl Lexer {
    /// `escape` is `\` or the directive's value.
    pub fn new(escape: char) -> Self {
        Self { escape, process_quotes: true, keep_quotes: false, keep_escapes: false, keep_unset: false }
    }

    /// Quotes are literal: the mode for the bodies of heredocs in `COPY` and `ADD`.
    pub fn ignore_quotes(mut self) -> Self {
        self.process_quotes = false;
        self
    }

    /// Quotes group as usual, and stay in the result.
    pub fn keep_quotes(mut self) -> Self {
        self.keep_quotes = true;
        self
    }

    /// Escapes work as usual, and stay in the result.
    pub fn keep_escapes(mut self) -> Self {
        self.keep_escapes = true;
        self
    }

    /// An unset variable stays as written: `ENV A=$B` in a stage that can't know `B`.
    pub fn keep_unset(mut self) -> Self {
        self.keep_unset = true;
        self
    }

    /// Expands `word` to one text. Blanks outside quotes are kept.
    pub fn expand(&self, word: &str, variables: &dyn Variables) -> Result<Expansion, WordError> {
        if self.is_plain(word) {
            return Ok(Expansion { text: word.to_owned(), ..Expansion::default() });
        }
        expand::run(self, word, variables).map(|(expansion, _)| expansion)
    }

    /// Expands `word` and splits the result at white space outside quotes; empty words are dropped.
    pub fn expand_words(&self, word: &str, variables: &dyn Variables) -> Result<Vec<String>, WordError> {
        if self.is_plain(word) && !word.contains("<<") {
            return Ok(word.split_whitespace().map(str::to_owned).collect());
        }
        expand::run(self, word, variables).map(|(_, words)| words)
    }

    /// True if nothing in the word has a special meaning.
    fn is_plain(&self, word: &str) -> bool {
        let escape = self.escape as u8;
        !word.starts_with('\u{feff}')
            && !word.bytes().any(|byte| byte == b'$' || byte == b'\'' || byte == b'"' || byte == escape)
    }
}

#[cfg(test)]
mod tests;
