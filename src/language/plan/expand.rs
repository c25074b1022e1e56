//! The variables of a stage, and words expanded with them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::language::dockerfile::words::{Lexer, Variables, WordError};
use crate::language::dockerfile::{Heredoc, Lines, Place, Word};

use super::error::{PlanError, PlanErrorKind};

/// The total size of all values that the words of a build expand to: they are kept in histories, steps and labels.
const MOST_BYTES: u64 = 64 << 20;

/// Names and values in the order in which they were first set. Copies share the count of expanded bytes.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pairs: Vec<(String, String)>,
    given: Arc<AtomicU64>,
}

impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        self.pairs == other.pairs
    }
}

impl Eq for Environment {}

impl Environment {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable; one that is set again keeps its place.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.pairs.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|(known, _)| known != name);
    }

    /// Whether the expanded values exceed what any build needs.
    pub fn is_exhausted(&self) -> bool {
        self.given.load(Ordering::Relaxed) > MOST_BYTES
    }

    pub fn to_vec(&self) -> Vec<(String, String)> {
        self.pairs.clone()
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = Environment::get(self, name)?;
        self.given.fetch_add(value.len() as u64, Ordering::Relaxed);
        Some(Cow::Borrowed(value))
    }
}

/// Expands the words at one place of a Dockerfile.
pub(super) struct Expander<'a> {
    pub lexer: &'a Lexer,
    pub lines: Lines,
}

impl Expander<'_> {
    /// `text` with variables replaced and quotes and escapes removed.
    pub fn word(&self, word: &Word, environment: &Environment) -> Result<String, PlanError> {
        let expanded = self.lexer.expand(word, environment).map_err(|error| self.error(error, word))?;
        self.check(word, environment)?;
        Ok(expanded.text)
    }

    /// The same for the body of a heredoc.
    pub fn body(&self, heredoc: &Heredoc, environment: &Environment) -> Result<String, PlanError> {
        let expanded = self.lexer.expand(&heredoc.content, environment).map_err(|error| {
            let span = heredoc.span_of(error.part);
            PlanErrorKind::Word(error).at(Place { lines: self.lines, span })
        })?;
        self.check(&Word { text: String::new(), span: heredoc.span }, environment)?;
        Ok(expanded.text)
    }

    /// The same, and the names of the variables in it that have no value.
    pub fn word_and_unset(&self, word: &Word, environment: &Environment) -> Result<(String, Vec<String>), PlanError> {
        let expanded = self.lexer.expand(word, environment).map_err(|error| self.error(error, word))?;
        Ok((expanded.text, expanded.unmatched.into_iter().collect()))
    }

    /// The same, split into words at blanks outside quotes, including those from variables.
    pub fn words(&self, word: &Word, environment: &Environment) -> Result<Vec<String>, PlanError> {
        let words = self.lexer.expand_words(word, environment).map_err(|error| self.error(error, word))?;
        self.check(word, environment)?;
        Ok(words)
    }

    pub fn check(&self, word: &Word, environment: &Environment) -> Result<(), PlanError> {
        let place = word.place(self.lines);
        if environment.is_exhausted() { Err(PlanErrorKind::TooMuch.at(place)) } else { Ok(()) }
    }

    fn error(&self, error: WordError, word: &Word) -> PlanError {
        PlanErrorKind::Word(error).at(word.place(self.lines))
    }
}
