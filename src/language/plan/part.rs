//! The words of a step's instruction, so that an error at run time can mark the right one.

use std::collections::BTreeMap;

use crate::language::dockerfile::excerpt::Span;

/// A word of an instruction, by its meaning to the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// One of a copy's sources, by its index in the step.
    Source(usize),
    Destination,
    /// `--chown`
    Owner,
    /// A `--mount`, by its index.
    Mount(usize),
    /// A `--device`, by its index.
    Device(usize),
    /// `--network`
    Network,
    /// `--security`
    Security,
    /// The program, if it is a separate word.
    Program,
}

/// The places of the words. A word that is in no file has no place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(BTreeMap<Part, Span>);

impl Parts {
    pub fn get(&self, part: Part) -> Option<Span> {
        self.0.get(&part).copied()
    }

    pub(super) fn with(mut self, part: Part, span: Option<Span>) -> Self {
        self.0.extend(span.map(|span| (part, span)));
        self
    }

    /// The words of a list, each with its index.
    pub(super) fn with_all(self, part: impl Fn(usize) -> Part, spans: impl IntoIterator<Item = Option<Span>>) -> Self {
        spans.into_iter().enumerate().fold(self, |parts, (number, span)| parts.with(part(number), span))
    }
}
