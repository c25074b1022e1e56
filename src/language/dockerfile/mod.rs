//! The Dockerfile language: text → syntax tree → typed instructions. Hop 2 of a build.
//!
//! Owns the grammar, the places of everything in the file, word expansion and lint. It must not know files, images or
//! how anything runs: [`parse`] turns bytes into values.

mod directives;
mod error;
pub mod excerpt;
mod grammar;
mod heredoc;
mod instruction;
mod json;
mod lines;
pub mod lint;
pub mod mount;
pub mod outline;
mod parse;
mod place;
pub mod report;
mod statement;
mod syntax;
mod text;
mod typed;
pub mod words;

pub use error::{ParseError, ParseErrorKind, Phase, Wanted};
pub use instruction::*;
pub use parse::{Parse, parse, parse_trigger};
pub use place::{Place, Word};
pub use syntax::{Body, Directive, Directives, Node, Piece, SyntaxTree};

/// All instructions.
pub const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A place in a logical line: bytes `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    pub start: u32,
    pub end: u32,
}

impl Range {
    fn new(start: usize, end: usize) -> Self {
        Self { start: lines::offset(start), end: lines::offset(end) }
    }
}
