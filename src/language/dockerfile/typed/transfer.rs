//! COPY and ADD.

use super::flags::Flags;
use super::{argument_count, heredoc};
use crate::language::dockerfile::error::{Fault, ParseErrorKind, Wanted};
use crate::language::dockerfile::heredoc::opening;
use crate::language::dockerfile::syntax::{Node, Piece};
use crate::language::dockerfile::{Heredoc, Source, Transfer};

const COPY_FLAGS: &[&str] = &["from", "chown", "chmod", "link", "parents", "exclude"];
const ADD_FLAGS: &[&str] = &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"];

pub(super) fn copy(node: &Node) -> Result<Transfer, Fault> {
    transfer(node, COPY_FLAGS)
}

pub(super) fn add(node: &Node) -> Result<Transfer, Fault> {
    transfer(node, ADD_FLAGS)
}

fn transfer(node: &Node, known: &'static [&'static str]) -> Result<Transfer, Fault> {
    let Some((destination, sources)) = node.arguments.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(argument_count(node, Wanted::SourceAndDestination));
    };
    let flags = Flags::read(node, known)?;
    if opening(&destination.text).is_some() {
        let kind = ParseErrorKind::HeredocDestination { keyword: node.keyword.clone() };
        return Err(Fault::at(destination.place, kind));
    }
    Ok(Transfer {
        sources: sources.iter().map(|piece| source(node, piece)).collect(),
        destination: node.word(destination),
        from: flags.word("from"),
        chown: flags.word("chown"),
        chmod: flags.word("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        excludes: flags.words("exclude"),
        checksum: flags.word("checksum"),
        keep_git_dir: flags.switch("keep-git-dir"),
        unpack: flags.switch("unpack"),
    })
}

/// A word that opens a heredoc does so even in the JSON form, where it has no body: its file is then empty. If two
/// heredocs have the same name, the last body is used for both.
fn source(node: &Node, piece: &Piece) -> Source {
    let Some(opening) = opening(&piece.text) else {
        return Source::Path(node.word(piece));
    };
    let body = node.heredocs.iter().rev().find(|body| body.name == opening.name);
    let span = node.span(piece.place);
    Source::Heredoc(match body {
        Some(body) => Heredoc { expand: opening.expand, span, ..heredoc(node, body) },
        None => Heredoc {
            name: opening.name,
            content: String::new(),
            raw: String::new(),
            expand: opening.expand,
            chomp: opening.chomp,
            span,
            line: 0,
        },
    })
}
