//! Instructions that are little more than their arguments.

use super::flags::Flags;
use super::{argument_count, command_line as line};
use crate::language::dockerfile::error::{Fault, ParseErrorKind, Wanted};
use crate::language::dockerfile::lines::offset;
use crate::language::dockerfile::syntax::{Node, Piece};
use crate::language::dockerfile::{ArgDeclaration, CommandLine, KeyValue, Range, Word};

/// CMD and ENTRYPOINT.
pub(super) fn command_line(node: &Node) -> Result<CommandLine, Fault> {
    Flags::read(node, &[])?;
    Ok(line(node.json, &node.texts()))
}

/// USER, WORKDIR and MAINTAINER.
pub(super) fn one_word(node: &Node) -> Result<Word, Fault> {
    let word = stop_signal(node)?;
    Flags::read(node, &[])?;
    Ok(word)
}

/// STOPSIGNAL, whose flags are checked by [`super::needless_flags`].
pub(super) fn stop_signal(node: &Node) -> Result<Word, Fault> {
    match &node.arguments[..] {
        [piece] => Ok(node.word(piece)),
        _ => Err(argument_count(node, Wanted::ExactlyOne)),
    }
}

/// ENV and LABEL.
pub(super) fn pairs(node: &Node) -> Result<Vec<KeyValue>, Fault> {
    Flags::read(node, &[])?;
    if node.arguments.is_empty() {
        return Err(argument_count(node, Wanted::AtLeastOne));
    }
    let mut pairs = Vec::with_capacity(node.arguments.len() / 3);
    for parts in node.arguments.chunks_exact(3) {
        if parts[0].text.is_empty() {
            let kind = ParseErrorKind::BlankName { keyword: node.keyword.clone() };
            return Err(Fault::at(parts[2].place, kind));
        }
        pairs.push(KeyValue {
            key: node.word(&parts[0]),
            value: node.word(&parts[1]),
            legacy: parts[2].text.is_empty(),
        });
    }
    Ok(pairs)
}

/// ARG, whose flags are checked by [`super::needless_flags`].
pub(super) fn arg(node: &Node) -> Result<Vec<ArgDeclaration>, Fault> {
    if node.arguments.is_empty() {
        return Err(argument_count(node, Wanted::AtLeastOne));
    }
    let mut declarations = Vec::with_capacity(node.arguments.len());
    for piece in &node.arguments {
        let (name, default) = match piece.text.split_once('=') {
            Some((name, default)) => (name, Some(node.word(&rest_of(piece, name.len() + 1, default)))),
            None => (&*piece.text, None),
        };
        if name.is_empty() {
            return Err(Fault::at(piece.place, ParseErrorKind::BlankName { keyword: node.keyword.clone() }));
        }
        declarations.push(ArgDeclaration { name: name.to_owned(), default });
    }
    Ok(declarations)
}

/// The text `rest` of the piece, which starts at its byte `start`.
fn rest_of(piece: &Piece, start: usize, rest: &str) -> Piece {
    let start = piece.place.start + offset(start);
    Piece { text: rest.to_owned(), place: Range { start, end: piece.place.end } }
}

pub(super) fn expose(node: &Node) -> Result<Vec<Word>, Fault> {
    let ports = at_least_one(node)?;
    Flags::read(node, &[])?;
    Ok(ports)
}

pub(super) fn volume(node: &Node) -> Result<Vec<Word>, Fault> {
    let paths = at_least_one(node)?;
    Flags::read(node, &[])?;
    let mut volumes = Vec::with_capacity(paths.len());
    for (path, piece) in paths.into_iter().zip(&node.arguments) {
        let text = path.text.trim().to_owned();
        if text.is_empty() {
            return Err(Fault::at(piece.place, ParseErrorKind::BlankVolume));
        }
        volumes.push(Word { text, ..path });
    }
    Ok(volumes)
}

pub(super) fn shell(node: &Node) -> Result<Vec<String>, Fault> {
    Flags::read(node, &[])?;
    let words = at_least_one(node)?;
    if !node.json {
        return Err(Fault::at(node.arguments_place(), ParseErrorKind::ShellNotJson));
    }
    Ok(words.into_iter().map(|word| word.text).collect())
}

fn at_least_one(node: &Node) -> Result<Vec<Word>, Fault> {
    if node.arguments.is_empty() {
        return Err(argument_count(node, Wanted::AtLeastOne));
    }
    Ok(node.arguments.iter().map(|piece| node.word(piece)).collect())
}
