//! A logical line → a node of the syntax tree.

use super::error::{Fault, ParseErrorKind};
use super::grammar::{self, Node as Parsed, Rule};
use super::lines::{LogicalLine, offset};
use super::syntax::{Node, Piece};
use super::{Range, json};

/// `ONBUILD ONBUILD …` is refused later; up to this depth the tree still represents it.
const NESTED_TRIGGERS: usize = 16;

/// The node of a line; its heredocs are read later.
pub(super) fn node(line: LogicalLine, escape: char) -> Result<Node, (Fault, Box<Node>)> {
    let statement = read(&line.text, 0, escape, 0);
    let (statement, fault) = match statement {
        Ok(statement) => (statement, None),
        Err(fault) => (Statement::default(), Some(fault)),
    };
    let mut node = statement.into_node(line.text);
    node.lines = line.lines;
    node.map = line.map;
    node.comments = line.comments;
    node.empty_continuation = line.empty_continuation;
    match fault {
        None => Ok(node),
        Some(fault) => Err((fault, Box::new(node))),
    }
}

/// The content of a statement, without its line.
#[derive(Default)]
struct Statement {
    written: String,
    flags: Vec<Piece>,
    arguments: Vec<Piece>,
    json: bool,
    onbuild: Option<Box<Node>>,
}

impl Statement {
    fn into_node(self, original: String) -> Node {
        Node {
            keyword: self.written.to_uppercase(),
            written: self.written,
            lines: super::Lines { first: 0, last: 0 },
            flags: self.flags,
            arguments: self.arguments,
            json: self.json,
            heredocs: Vec::new(),
            original,
            onbuild: self.onbuild,
            comments: Vec::new(),
            empty_continuation: false,
            map: super::syntax::SourceMap::default(),
        }
    }
}

/// Parses the text of a statement that starts at `start` of its logical line.
fn read(text: &str, start: usize, escape: char, depth: usize) -> Result<Statement, Fault> {
    let trimmed = text.trim();
    let start = start + (text.len() - text.trim_start().len());
    let mut statement = Statement::default();
    let Some(parsed) = grammar::statement(trimmed, escape) else {
        return Ok(statement);
    };
    let kind = parsed.as_rule();
    let mut inner = parsed.into_inner().peekable();
    statement.written = inner.next().map_or("", |keyword| keyword.as_str()).to_owned();
    while let Some(flag) = inner.next_if(|pair| pair.as_rule() == Rule::flag) {
        statement.flags.push(Piece { place: place(&flag, start), text: flag_text(flag) });
    }
    match kind {
        Rule::unknown_statement => {
            let end = start + trimmed.len();
            statement.arguments.push(Piece { text: String::new(), place: Range::new(end, end) });
        }
        Rule::pairs_statement => {
            let words: Vec<Piece> = inner.filter_map(|pair| quoted_word(&pair, start)).collect();
            statement.arguments = pairs(words, trimmed, start, &statement.written)?;
        }
        Rule::names_statement => {
            statement.arguments = inner.filter_map(|pair| quoted_word(&pair, start)).collect();
        }
        Rule::onbuild_statement => {
            if let Some(nested) = inner.next() {
                trigger(&mut statement, &nested, (start, escape, depth))?;
            }
        }
        _ => {
            refuse_mixed_array(kind, inner.clone(), trimmed, start)?;
            for pair in inner {
                argument(&mut statement, pair, start);
            }
        }
    }
    Ok(statement)
}

fn place(pair: &Parsed<'_>, start: usize) -> Range {
    let span = pair.as_span();
    Range::new(start + span.start(), start + span.end())
}

fn piece(pair: &Parsed<'_>, start: usize) -> Piece {
    Piece { text: pair.as_str().to_owned(), place: place(pair, start) }
}

fn argument(statement: &mut Statement, pair: Parsed<'_>, start: usize) {
    if pair.as_rule() != Rule::json_strings {
        statement.arguments.push(piece(&pair, start));
        return;
    }
    statement.json = true;
    for string in pair.into_inner() {
        let place = place(&string, start);
        let text = string.into_inner().next().map_or_else(String::new, |text| json::decode(text.as_str()));
        statement.arguments.push(Piece { text, place });
    }
}

/// Where the JSON form is possible, a JSON array that is not all strings is an error, not shell text.
fn refuse_mixed_array<'i>(
    kind: Rule,
    arguments: impl Iterator<Item = Parsed<'i>>,
    line: &str,
    start: usize,
) -> Result<(), Fault> {
    let text = match kind {
        // The last argument is the text; without one it is the type of a health check.
        Rule::shell_statement | Rule::healthcheck_statement => {
            arguments.last().map(|pair| (pair.as_rule(), pair.as_str()))
        }
        Rule::list_statement => arguments.take(1).last().map(|pair| (pair.as_rule(), &line[pair.as_span().start()..])),
        _ => None,
    };
    match text {
        Some((rule, text)) if rule != Rule::json_strings && grammar::is_json_array(text) => {
            let place = Range::new(start + line.len() - text.len(), start + line.len());
            Err(Fault::at(place, ParseErrorKind::JsonNotStrings))
        }
        _ => Ok(()),
    }
}

/// The flag without quotes and escapes.
fn flag_text(flag: Parsed<'_>) -> String {
    let mut text = String::from("--");
    push_flag_pieces(&mut text, flag);
    text
}

fn push_flag_pieces(text: &mut String, pair: Parsed<'_>) {
    for piece in pair.into_inner() {
        match piece.as_rule() {
            Rule::flag_single | Rule::flag_double => push_flag_pieces(text, piece),
            Rule::flag_escaped => text.push_str(&piece.as_str()[1..]),
            Rule::flag_last_escape => {}
            _ => text.push_str(piece.as_str()),
        }
    }
}

fn quoted_word(pair: &Parsed<'_>, start: usize) -> Option<Piece> {
    (pair.as_rule() == Rule::quoted_word).then(|| piece(pair, start))
}

/// Splits the words of ENV and LABEL into key, value and separator. Without `=` in the first word it is the old form:
/// the rest of the line is the value.
fn pairs(words: Vec<Piece>, line: &str, start: usize, written: &str) -> Result<Vec<Piece>, Fault> {
    let Some(first) = words.first() else {
        return Ok(Vec::new());
    };
    if !first.text.contains('=') {
        return legacy_pair(first, line, start, written);
    }
    let mut pieces = Vec::with_capacity(words.len() * 3);
    for word in words {
        let Some((key, value)) = word.text.split_once('=') else {
            let keyword = written.to_uppercase();
            return Err(Fault::at(word.place, ParseErrorKind::MissingEquals { keyword, word: word.text }));
        };
        let middle = word.place.start + offset(key.len());
        pieces.push(Piece { text: key.to_owned(), place: Range { start: word.place.start, end: middle } });
        pieces.push(Piece { text: value.to_owned(), place: Range { start: middle + 1, end: word.place.end } });
        pieces.push(Piece { text: "=".to_owned(), place: Range { start: middle, end: middle + 1 } });
    }
    Ok(pieces)
}

fn legacy_pair(first: &Piece, line: &str, start: usize, written: &str) -> Result<Vec<Piece>, Fault> {
    const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];
    let key_start = first.place.start as usize - start;
    let rest = &line[key_start..];
    let Some((key, after)) = rest.split_once(BLANKS) else {
        let place = Range::new(start + key_start, start + line.len());
        return Err(Fault::at(place, ParseErrorKind::MissingValue { keyword: written.to_uppercase() }));
    };
    let value = after.trim_start_matches(BLANKS);
    let key_end = first.place.start as usize + key.len();
    let end = start + line.len();
    Ok(vec![
        Piece { text: key.to_owned(), place: Range::new(key_end - key.len(), key_end) },
        Piece { text: value.to_owned(), place: Range::new(end - value.len(), end) },
        Piece { text: String::new(), place: Range::new(key_end, key_end) },
    ])
}

fn trigger(
    statement: &mut Statement,
    nested: &Parsed<'_>,
    (start, escape, depth): (usize, char, usize),
) -> Result<(), Fault> {
    let nested_start = start + nested.as_span().start();
    if depth >= NESTED_TRIGGERS {
        statement.arguments.push(piece(nested, start));
        return Ok(());
    }
    let inner = read(nested.as_str(), nested_start, escape, depth + 1)?;
    let keyword_end = nested_start + inner.written.len();
    statement.arguments.push(Piece { text: inner.written.clone(), place: Range::new(nested_start, keyword_end) });
    statement.arguments.extend(inner.arguments.iter().cloned());
    let mut node = inner.into_node(nested.as_str().to_owned());
    node.lines = super::Lines { first: 0, last: 0 };
    statement.onbuild = Some(Box::new(node));
    Ok(())
}
