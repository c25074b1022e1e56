//! Heredocs: which words open one, and the body that follows the instruction.

use super::error::{Fault, ParseErrorKind};
use super::lines::LineReader;
use super::syntax::Body;
use super::words::{Lexer, NoVariables};
use super::{Range, grammar};

/// A heredoc that a word opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) chomp: bool,
}

/// What the word opens. The escape directive plays no part here: the escape is always `\`.
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

/// Reads the bodies of all heredocs that the logical line opens. A line whose quotes don't pair opens none.
pub(super) fn bodies(line: &str, reader: &mut LineReader<'_>) -> Result<Vec<Body>, Fault> {
    if !line.contains("<<") {
        return Ok(Vec::new());
    }
    let lexer = Lexer::new('\\').keep_quotes().keep_escapes().keep_unset();
    let words = lexer.expand_words(line, &NoVariables).unwrap_or_default();
    let openings = words.iter().filter_map(|word| opening(word).map(|opening| (word, opening)));
    openings
        .map(|(word, opening)| {
            body(opening, reader).map_err(|kind| {
                let place = line.find(word.as_str()).map(|start| Range::new(start, start + word.len()));
                Fault { kind, place }
            })
        })
        .collect()
}

fn body(opening: Opening, reader: &mut LineReader<'_>) -> Result<Body, ParseErrorKind> {
    let mut content = String::new();
    while let Some(line) = reader.physical() {
        let bare = line.trim_end_matches(['\r', '\n']);
        let bare = if opening.chomp { bare.trim_start_matches('\t') } else { bare };
        if bare == opening.name {
            let Opening { name, expand, chomp } = opening;
            return Ok(Body { name, content, expand, chomp });
        }
        content.push_str(line);
    }
    Err(ParseErrorKind::UnterminatedHeredoc { name: opening.name })
}

/// The body without the tabs at the start of its lines, for `<<-`.
pub(super) fn without_tabs(content: &str) -> String {
    content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
