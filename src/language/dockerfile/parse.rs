//! Parses a whole file: lines → nodes → typed instructions.

use std::borrow::Cow;

use super::error::{Fault, ParseError, ParseErrorKind, Phase};
use super::lines::LineReader;
use super::syntax::{Directives, Node, SyntaxTree};
use super::{Dockerfile, Instruction, Lines, directives, heredoc, statement, typed};

/// The result of parsing a file. It has the tree unless reading its lines failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parse {
    pub tree: SyntaxTree,
    pub result: Result<Dockerfile, ParseError>,
    /// What only the parser accepts: a build refuses it.
    pub refused: Option<ParseError>,
}

/// Parses a Dockerfile. Each byte that is not UTF-8 becomes U+FFFD.
pub fn parse(source: &[u8]) -> Parse {
    if let Some(encoding) = wide_encoding(source) {
        let kind = Box::new(ParseErrorKind::WideEncoding { encoding });
        let nowhere = Lines { first: 0, last: 0 };
        let tree = SyntaxTree { directives: Directives::default(), instructions: Vec::new(), escape: '\\' };
        let result = Err(ParseError { kind, phase: Phase::Lines, lines: nowhere, span: None });
        return Parse { tree, result, refused: None };
    }
    let text = decode(source);
    let mut reader = LineReader::new(&text);
    let mut instructions = Vec::new();
    let read = read_nodes(&mut reader, &mut instructions);
    let mut tree = SyntaxTree {
        directives: directives::scan(&text),
        instructions: if read.is_ok() { instructions } else { Vec::new() },
        escape: reader.directives.escape,
    };
    tree.directives.escape = reader.directives.escape_directive.take();
    let result = read.and_then(|()| typed::dockerfile(&tree));
    let refused = typed::needless_flags(&tree);
    Parse { tree, result, refused }
}

/// Parses the trigger of an image's `ONBUILD`, as its config stores it, including heredoc bodies. `lines` are those of
/// the `FROM` that brought it.
pub fn parse_trigger(text: &str, escape: char, lines: Lines) -> Result<Instruction, ParseError> {
    let mut reader = LineReader::new(text);
    reader.directives.escape = escape;
    let mut nodes = Vec::new();
    let outcome = read_nodes(&mut reader, &mut nodes).and_then(|()| {
        let node = nodes.first_mut().ok_or_else(|| no_instructions(0))?;
        // Its text is in the base's config, not in this file.
        node.forget_file();
        typed::trigger(node)
    });
    match outcome {
        Ok(instruction) => Ok(Instruction { lines, ..instruction }),
        // The place is in the trigger's text, not in the file.
        Err(error) => Err(ParseError { lines, span: None, ..error }),
    }
}

fn read_nodes(reader: &mut LineReader<'_>, nodes: &mut Vec<Node>) -> Result<(), ParseError> {
    while let Some(line) = reader.logical()? {
        let mut node = match statement::node(line, reader.directives.escape) {
            Ok(node) => node,
            Err((fault, node)) => return Err(located(fault, &node, Phase::Lines)),
        };
        if takes_heredocs(&node) {
            match heredoc::bodies(&node.original, reader) {
                Ok(bodies) => node.heredocs = bodies,
                Err(fault) => return Err(located(fault, &node, Phase::Lines)),
            }
            node.lines.last = reader.read;
        }
        nodes.push(node);
    }
    if nodes.is_empty() {
        return Err(no_instructions(reader.read));
    }
    reader.check_length()
}

fn no_instructions(line: u32) -> ParseError {
    ParseError {
        kind: Box::new(ParseErrorKind::NoInstructions),
        phase: Phase::Lines,
        lines: Lines { first: line, last: line },
        span: None,
    }
}

/// RUN, COPY, ADD and ONBUILD of these, not in JSON form.
fn takes_heredocs(node: &Node) -> bool {
    let node = match (&*node.keyword, &node.onbuild) {
        ("ONBUILD", Some(nested)) => nested,
        _ => node,
    };
    matches!(&*node.keyword, "RUN" | "COPY" | "ADD") && !node.json
}

/// The error with its place in the file.
pub(super) fn located(fault: Fault, node: &Node, phase: Phase) -> ParseError {
    let span = fault.place.and_then(|place| node.span(place));
    ParseError { kind: Box::new(fault.kind), phase, lines: node.lines, span }
}

/// UTF-16, which some editors write, recognised by its byte order mark or by the zeros of ASCII's letters.
fn wide_encoding(source: &[u8]) -> Option<&'static str> {
    match source {
        [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Some("UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..] => Some("UTF-16 (big-endian)"),
        _ => None,
    }
}

fn decode(source: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(source) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(source.len() + 16);
            for chunk in source.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
