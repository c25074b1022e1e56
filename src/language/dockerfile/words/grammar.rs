//! The parser that pest generates from `grammar/words.pest`; the derive is private to this file.

use pest::Parser as _;
use pest::iterators::Pairs;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/words.pest"]
struct WordParser;

/// The parts of a word; `None` if the grammar did not reach its end (it matches every text).
pub(super) fn parts(text: &str, escape: char, quotes: bool) -> Option<Pairs<'_, Rule>> {
    let rule = match (escape, quotes) {
        ('`', true) => Rule::backtick_word,
        ('`', false) => Rule::backtick_quotes_word,
        (_, true) => Rule::backslash_word,
        (_, false) => Rule::backslash_quotes_word,
    };
    let mut pairs = WordParser::parse(rule, text).ok()?;
    pairs.next().map(|word| word.into_inner())
}
