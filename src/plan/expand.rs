//! The variables of a stage, and words expanded with them.

use std::borrow::Cow;

use crate::dockerfile::Lines;
use crate::dockerfile::words::{Lexer, Variables, WordError};

use super::error::{PlanError, PlanErrorKind};

/// Names and values in the order in which they were first set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable; one that is set again keeps its place.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    pub fn to_vec(&self) -> Vec<(String, String)> {
        self.0.clone()
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        Environment::get(self, name).map(Cow::Borrowed)
    }
}

/// Expands words of one place of a Dockerfile.
pub(super) struct Expander<'a> {
    pub lexer: &'a Lexer,
    pub lines: Lines,
}

impl Expander<'_> {
    /// `text` with variables replaced and quotes and escapes removed.
    pub fn word(&self, text: &str, environment: &Environment) -> Result<String, PlanError> {
        let expanded = self.lexer.expand(text, environment).map_err(|error| self.error(error))?;
        Ok(expanded.text)
    }

    /// The same, cut into words at blanks outside of quotes, also at those that came out of a variable.
    pub fn words(&self, text: &str, environment: &Environment) -> Result<Vec<String>, PlanError> {
        self.lexer.expand_words(text, environment).map_err(|error| self.error(error))
    }

    fn error(&self, error: WordError) -> PlanError {
        PlanErrorKind::Word(error).at(self.lines)
    }
}
