//! The parser that pest makes of `grammar/words.pest`; nothing else sees the derive.

use pest::Parser as _;
use pest::iterators::Pairs;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/words.pest"]
struct WordParser;

/// The parts of a word, or nothing where the grammar did not reach its end (it matches every text).
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
