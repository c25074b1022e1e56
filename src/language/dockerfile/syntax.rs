//! The syntax tree: the structure of the file, before anything is typed or checked.

use super::excerpt::Span;
use super::place::Word;
use super::{Lines, Range};

/// A Dockerfile as parsed from its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxTree {
    pub directives: Directives,
    pub instructions: Vec<Node>,
    /// `\`, or the directive's value.
    pub escape: char,
}

/// The parser directives that were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    pub syntax: Option<Directive>,
    pub escape: Option<Directive>,
    pub check: Option<Directive>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The whole text after `=`, trimmed.
    pub value: String,
    pub line: u32,
}

impl Directive {
    /// The part that is used: up to the first space.
    pub fn word(&self) -> &str {
        self.value.split(' ').next().unwrap_or("")
    }
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The keyword as written.
    pub written: String,
    /// The keyword in upper case.
    pub keyword: String,
    pub lines: Lines,
    pub flags: Vec<Piece>,
    pub arguments: Vec<Piece>,
    /// The arguments were a JSON array of strings.
    pub json: bool,
    pub heredocs: Vec<Body>,
    /// The joined logical line.
    pub original: String,
    /// The nested instruction of `ONBUILD`.
    pub onbuild: Option<Box<Node>>,
    /// The comments right above, without their `#`.
    pub comments: Vec<String>,
    /// There was a blank line in a continuation.
    pub empty_continuation: bool,
    pub(super) map: SourceMap,
}

/// A flag or an argument, and its place in `original`. Decoded text can be shorter than its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub place: Range,
}

/// A heredoc as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub name: String,
    /// The lines with their line ends, tabs included.
    pub content: String,
    pub expand: bool,
    pub chomp: bool,
    /// The physical line on which the content starts.
    pub line: u32,
    /// The word that opens it, in the logical line.
    pub place: Option<Range>,
}

/// Where the parts of a logical line come from: its offset, the physical line, the column in characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SourceMap(pub(super) Vec<Segment>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Node {
    /// The place in the file that corresponds to a place of the logical line. One over several lines is cut at the end
    /// of its first.
    pub fn span(&self, place: Range) -> Option<Span> {
        let index = self.map.0.partition_point(|segment| segment.offset <= place.start).checked_sub(1)?;
        let segment = self.map.0[index];
        let segment_end = self.map.0.get(index + 1).map_or(self.original.len(), |next| next.offset as usize);
        let start = place.start as usize;
        let end = (place.end as usize).clamp(start, segment_end.max(start));
        let before = self.original.get(segment.offset as usize..start)?;
        let marked = self.original.get(start..end).unwrap_or("");
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let column = segment.column.saturating_add(count(before));
        Some(Span { line: segment.line, column, length: count(marked).max(1) })
    }

    /// The keyword's place.
    pub fn keyword_place(&self) -> Range {
        let start = self.original.len() - self.original.trim_start().len();
        Range::new(start, start + self.written.len())
    }

    /// From the first argument to the last; without arguments, the keyword.
    pub fn arguments_place(&self) -> Range {
        match (self.arguments.first(), self.arguments.last()) {
            (Some(first), Some(last)) => Range { start: first.place.start, end: last.place.end },
            _ => self.keyword_place(),
        }
    }

    /// An argument, or a part of one, with its place in the file.
    pub(super) fn word(&self, piece: &Piece) -> Word {
        Word { text: piece.text.clone(), span: self.span(piece.place) }
    }

    /// Marks the node as being in no file.
    pub(super) fn forget_file(&mut self) {
        self.map = SourceMap::default();
        self.heredocs.iter_mut().for_each(|body| body.line = 0);
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.arguments.iter().map(|piece| piece.text.as_str()).collect()
    }
}
