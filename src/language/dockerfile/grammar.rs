//! The parser that pest generates from `grammar/dockerfile.pest`; the derive is private to `dockerfile`.

use pest::Parser as _;
use pest::iterators::{Pair, Pairs};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/dockerfile.pest"]
struct DockerfileParser;

pub(super) type Node<'i> = Pair<'i, Rule>;

/// The statement of a trimmed logical line. The grammar matches every text; the result is `None` only if pest itself
/// gives up.
pub(super) fn statement(line: &str, escape: char) -> Option<Node<'_>> {
    let rule = if escape == '`' { Rule::backtick_line } else { Rule::backslash_line };
    DockerfileParser::parse(rule, line).ok()?.next()
}

/// The key and the value of a line that has the form of a directive.
pub(super) fn directive(line: &str) -> Option<(&str, &str)> {
    let mut pairs = parse(Rule::directive, line)?;
    let key = pairs.next()?.as_str();
    let value = pairs.next()?.as_str().trim_end_matches([' ', '\t', '\r', '\n', '\u{c}']);
    (!value.is_empty()).then_some((key, value))
}

/// Whether the word opens a heredoc: its name as written, and whether tabs are removed from the body.
pub(super) fn heredoc(word: &str) -> Option<(&str, bool)> {
    let mut pairs = parse(Rule::heredoc, word)?;
    let first = pairs.next()?;
    match first.as_rule() {
        Rule::heredoc_chomp => Some((pairs.next()?.as_str(), true)),
        _ => Some((first.as_str(), false)),
    }
}

/// Whether the text is a JSON array of any kind.
pub(super) fn is_json_array(text: &str) -> bool {
    text.starts_with('[') && parse(Rule::json_mixed, text).is_some()
}

fn parse(rule: Rule, text: &str) -> Option<Pairs<'_, Rule>> {
    DockerfileParser::parse(rule, text).ok()
}
