//! Heredocs: which words open one, and the body that follows the instruction.

use super::error::{Fault, ParseErrorKind};
use super::excerpt::Span;
use super::lines::{LineReader, offset};
use super::syntax::Body;
use super::words::{Lexer, NoVariables};
use super::{Heredoc, Range, grammar};

/// A heredoc that a word opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) chomp: bool,
}

/// The heredoc that the word opens. The escape directive does not matter here: the escape is always `\`.
pub(super) fn opening(word: &str) -> Option<Opening> {
    if !word.contains("<<") {
        return None;
    }
    let (written, chomp) = grammar::heredoc(word)?;
    let lexer = Lexer::new('\\').keep_unset();
    let [name] = lexer.expand_words(written, &NoVariables).ok()?.try_into().ok()?;
    let [with_quotes] = lexer.keep_quotes().expand_words(written, &NoVariables).ok()?.try_into().ok()?;
    Some(Opening { expand: quotes(&name) == quotes(&with_quotes), name, chomp })
}

fn quotes(text: &str) -> usize {
    text.chars().filter(|character| matches!(character, '\'' | '"')).count()
}

/// Reads the bodies of all heredocs that the logical line opens. A line with unbalanced quotes opens none.
pub(super) fn bodies(line: &str, reader: &mut LineReader<'_>) -> Result<Vec<Body>, Fault> {
    if !line.contains("<<") {
        return Ok(Vec::new());
    }
    let lexer = Lexer::new('\\').keep_quotes().keep_escapes().keep_unset();
    let words = lexer.expand_words(line, &NoVariables).unwrap_or_default();
    let openings = words.iter().filter_map(|word| opening(word).map(|opening| (word, opening)));
    openings
        .map(|(word, opening)| {
            let place = line.find(word.as_str()).map(|start| Range::new(start, start + word.len()));
            let body = body(opening, reader).map_err(|kind| Fault { kind, place })?;
            Ok(Body { place, ..body })
        })
        .collect()
}

fn body(opening: Opening, reader: &mut LineReader<'_>) -> Result<Body, ParseErrorKind> {
    let (mut content, first) = (String::new(), reader.read + 1);
    while let Some(line) = reader.physical() {
        let bare = line.trim_end_matches(['\r', '\n']);
        let bare = if opening.chomp { bare.trim_start_matches('\t') } else { bare };
        if bare == opening.name {
            let Opening { name, expand, chomp } = opening;
            return Ok(Body { name, content, expand, chomp, line: first, place: None });
        }
        content.push_str(line);
    }
    Err(ParseErrorKind::UnterminatedHeredoc { name: opening.name })
}

impl Heredoc {
    /// The place of a part of the content in the file, up to the end of its line.
    pub fn span_of(&self, part: Range) -> Option<Span> {
        let (start, end) = (part.start as usize, part.end as usize);
        let before = self.content.get(..start).filter(|_| self.line > 0)?;
        let marked = self.content.get(start..end)?.split('\n').next()?;
        let number = before.matches('\n').count();
        let in_line = before.rsplit('\n').next().unwrap_or(before);
        // The tabs that `<<-` removes.
        let written = self.raw.split('\n').nth(number).filter(|_| self.chomp).unwrap_or_default();
        let tabs = written.len() - written.trim_start_matches('\t').len();
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        Some(Span {
            line: self.line + u32::try_from(number).ok()?,
            column: 1 + offset(tabs) + count(in_line),
            length: count(marked).max(1),
        })
    }
}

/// The body without the tabs at the start of its lines, for `<<-`.
pub(super) fn without_tabs(content: &str) -> String {
    content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
