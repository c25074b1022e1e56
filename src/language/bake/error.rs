//! Errors of reading and resolving bake files.

use std::path::PathBuf;

use super::syntax::Span;
use crate::base::io_error::IoError;

/// An error of HCL's evaluation, at a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{summary}; {detail}")]
pub struct Diagnostic {
    pub summary: String,
    pub detail: String,
    pub span: Option<Span>,
}

impl Diagnostic {
    pub fn new(span: Span, summary: impl Into<String>, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self { summary: summary.into(), detail: detail.into(), span: Some(span) })
    }
}

/// A place that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub source: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The number of marked characters, at least one.
    pub length: usize,
}

/// Why bake failed.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    #[error("{diagnostic}")]
    File { diagnostic: Diagnostic, place: Option<Box<Place>> },
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("couldn't find a bake definition")]
    NoDefinition,
    #[error("failed to find target {name}{why}")]
    NoTarget { name: String, why: String },
    #[error("could not find any target matching {pattern:?}")]
    NoMatch { pattern: String },
    #[error("failed to parse {file}: {reason}")]
    Yaml { file: String, reason: String },
    #[error("failed to parse compose file: {reason}")]
    Compose { reason: String },
    #[error("{0}")]
    ComposeModel(String),
    #[error("infinite loop from {from} to {to}")]
    Loop { from: String, to: String },
    #[error("{0}")]
    Invalid(String),
    #[error("{path}: {what}")]
    Path { path: PathBuf, what: String },
}

impl BakeError {
    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }
}

/// The place of a span within its file.
pub(super) fn place(file: &str, source: &str, span: Span) -> Place {
    let start = floor(source, span.start);
    let line_start = source[..start].rfind('\n').map_or(0, |end| end + 1);
    let line_end = source[start..].find('\n').map_or(source.len(), |length| start + length);
    let end = floor(source, span.end.clamp(start, line_end));
    Place {
        file: file.to_owned(),
        source: source.to_owned(),
        line: source[..start].matches('\n').count() + 1,
        column: source[line_start..start].chars().count() + 1,
        length: source[start..end].chars().count().max(1),
    }
}

fn floor(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}
