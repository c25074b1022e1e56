//! What can be wrong with a word.

use std::collections::BTreeSet;

use crate::language::dockerfile::Range;
use crate::language::dockerfile::text::quoted;

/// A word that can't be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to process {}: {kind}", quoted(word))]
pub struct WordError {
    /// The whole word, as written.
    pub word: Box<str>,
    pub kind: WordErrorKind,
    /// The part of the word with the error.
    pub part: Range,
    /// Variables that were looked up before the error and are not set.
    pub unmatched: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordErrorKind {
    #[error("unexpected end of statement while looking for matching single-quote")]
    UnclosedSingleQuote,
    #[error("unexpected end of statement while looking for matching double-quote")]
    UnclosedDoubleQuote,
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    #[error("syntax error: missing '/' in ${{}}")]
    MissingSlash,
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    #[error("unsupported modifier ({modifier}) in substitution")]
    UnsupportedModifier { modifier: String },
    /// `${name?message}`, or `:?`.
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{character}'")]
    InvalidPattern { pattern: String, character: char },
    #[error("substitutions are nested too deeply (64 levels at most)")]
    TooDeep,
    #[error("it is larger than 1 MiB")]
    TooLong,
    #[error("the pattern and the value are too long to match")]
    TooHard,
}
