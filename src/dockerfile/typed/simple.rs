//! The instructions that are little more than their arguments.

use super::flags::Flags;
use super::{argument_count, command_line as line};
use crate::dockerfile::error::{Fault, ParseErrorKind, Wanted};
use crate::dockerfile::syntax::Node;
use crate::dockerfile::{ArgDeclaration, CommandLine, KeyValue};

/// CMD and ENTRYPOINT.
pub(super) fn command_line(node: &Node) -> Result<CommandLine, Fault> {
    Flags::read(node, &[])?;
    Ok(line(node.json, &node.texts()))
}

/// USER, WORKDIR and MAINTAINER.
pub(super) fn one_argument(node: &Node) -> Result<String, Fault> {
    let text = exactly_one(node)?;
    Flags::read(node, &[])?;
    Ok(text)
}

/// STOPSIGNAL takes any flag and ignores it.
pub(super) fn stop_signal(node: &Node) -> Result<String, Fault> {
    exactly_one(node)
}

fn exactly_one(node: &Node) -> Result<String, Fault> {
    match &node.arguments[..] {
        [piece] => Ok(piece.text.clone()),
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
            key: parts[0].text.clone(),
            value: parts[1].text.clone(),
            legacy: parts[2].text.is_empty(),
        });
    }
    Ok(pairs)
}

/// ARG takes any flag and ignores it.
pub(super) fn arg(node: &Node) -> Result<Vec<ArgDeclaration>, Fault> {
    if node.arguments.is_empty() {
        return Err(argument_count(node, Wanted::AtLeastOne));
    }
    let mut declarations = Vec::with_capacity(node.arguments.len());
    for piece in &node.arguments {
        let (name, default) = match piece.text.split_once('=') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&*piece.text, None),
        };
        if name.is_empty() {
            return Err(Fault::at(piece.place, ParseErrorKind::BlankName { keyword: node.keyword.clone() }));
        }
        declarations.push(ArgDeclaration { name: name.to_owned(), default });
    }
    Ok(declarations)
}

pub(super) fn expose(node: &Node) -> Result<Vec<String>, Fault> {
    let ports = at_least_one(node)?;
    Flags::read(node, &[])?;
    Ok(ports)
}

pub(super) fn volume(node: &Node) -> Result<Vec<String>, Fault> {
    let paths = at_least_one(node)?;
    Flags::read(node, &[])?;
    let mut volumes = Vec::with_capacity(paths.len());
    for (path, piece) in paths.iter().zip(&node.arguments) {
        let path = path.trim();
        if path.is_empty() {
            return Err(Fault::at(piece.place, ParseErrorKind::BlankVolume));
        }
        volumes.push(path.to_owned());
    }
    Ok(volumes)
}

pub(super) fn shell(node: &Node) -> Result<Vec<String>, Fault> {
    Flags::read(node, &[])?;
    let words = at_least_one(node)?;
    if !node.json {
        return Err(Fault::at(node.arguments_place(), ParseErrorKind::ShellNotJson));
    }
    Ok(words)
}

fn at_least_one(node: &Node) -> Result<Vec<String>, Fault> {
    if node.arguments.is_empty() {
        return Err(argument_count(node, Wanted::AtLeastOne));
    }
    Ok(node.arguments.iter().map(|piece| piece.text.clone()).collect())
}
