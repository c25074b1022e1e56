//! The syntax of bake files: HCL's own, and HCL in JSON. Bytes in, a spanned tree out; nothing is evaluated.
//!
//! Written by hand, because the crates for HCL store numbers as 64-bit floats and have one message for all errors.

mod constructors;
mod expressions;
mod json;
mod json_body;
mod lexer;
mod parser;
mod template;
mod tree;
mod walk;

pub use json_body::is_json_syntax;
pub use parser::{parse_body, parse_expression};
pub use tree::{Attribute, BinaryOperator, Block, Body, Expression, ForLoop, Key, Step, Traversal};
pub use walk::{called_functions, variables};

use super::error::Diagnostic;

/// A place in a file: bytes `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The index of the file.
    pub file: usize,
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

/// A failure at a place.
fn at(span: Span, summary: impl Into<String>, detail: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic { summary: summary.into(), detail: detail.into(), span: Some(span) })
}

/// Parses a JSON bake file.
///
/// # Errors
/// If it is not JSON, or not an object where one is required.
pub fn parse_json(text: &str, file: usize) -> Result<Body, Box<Diagnostic>> {
    json_body::top_level(&json::parse(text, file)?)
}
