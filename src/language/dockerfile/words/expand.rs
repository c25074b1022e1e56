//! Walks the parts of a word in reading order and builds its text and its words.

use std::borrow::Cow;
use std::collections::BTreeSet;

use pest::iterators::{Pair, Pairs};

use super::grammar::{self, Rule};
use super::pattern::Pattern;
use super::{Expansion, Lexer, Variables, WordError, WordErrorKind};
use crate::language::dockerfile::Range;

/// The number of bytes by which an expanded word may exceed its source. No program could be given more in one variable
/// or argument (execve(2) accepts 128 KiB), and forty lines of `ARG A=$A$A` would expand to a terabyte.
const MOST_GROWTH: usize = 1 << 20;
/// About a second's work.
const MOST_STEPS: usize = 1 << 28;

/// Expands the word both ways at once.
pub(super) fn run(lexer: &Lexer, word: &str, variables: &dyn Variables) -> Result<(Expansion, Vec<String>), WordError> {
    let failed = |kind, unmatched, part| WordError { word: word.into(), kind, unmatched, part };
    // The reference's scanner drops a byte order mark at the start.
    let text = word.strip_prefix('\u{feff}').unwrap_or(word);
    let parts = grammar::parts(text, lexer.escape, lexer.process_quotes)
        .ok_or_else(|| failed(WordErrorKind::TooDeep, BTreeSet::new(), Range::new(0, word.len())))?;
    let mut expander = Expander {
        lexer,
        variables,
        length: text.len(),
        most: MOST_GROWTH + text.len(),
        keep_escapes: lexer.keep_escapes,
        pending: String::new(),
        expansion: Expansion::default(),
        blamed: None,
    };
    match expander.text(parts) {
        Ok((text, words)) => {
            expander.expansion.text = text;
            Ok((expander.expansion, words))
        }
        Err(fault) => {
            let skipped = word.len() - text.len();
            let (start, end) = expander.blamed.unwrap_or((0, text.len()));
            let part = Range::new(start + skipped, end + skipped);
            Err(failed(fault.kind, expander.expansion.unmatched, part))
        }
    }
}

/// An error, and whether the whole word had been read by then: `${a:-'x}` lacks its brace rather than its quote.
struct Fault {
    kind: WordErrorKind,
    at_end: bool,
}

struct Expander<'a> {
    lexer: &'a Lexer,
    variables: &'a dyn Variables,
    length: usize,
    /// The size limit of the expanded word in bytes.
    most: usize,
    keep_escapes: bool,
    /// The word being assembled. One for all levels, as in the reference: a substitution with a word of its own clears
    /// what preceded it in the same word (this is only visible where words are split).
    pending: String,
    expansion: Expansion,
    /// The innermost variable with the error.
    blamed: Option<(usize, usize)>,
}

/// The words so far at one level.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    inside: bool,
}

impl<'a> Expander<'a> {
    /// The text and the words of a list of parts.
    fn text(&mut self, parts: Pairs<'_, Rule>) -> Result<(String, Vec<String>), Fault> {
        let mut text = String::new();
        let mut words = Words::default();
        self.pending.clear();
        for part in parts {
            match part.as_rule() {
                Rule::literal | Rule::brace_literal | Rule::slash_literal => {
                    text.push_str(part.as_str());
                    self.add(&mut words, part.as_str());
                }
                Rule::variable => {
                    let value = self.variable(part)?;
                    text.push_str(&value);
                    self.add(&mut words, &value);
                }
                Rule::single_quoted | Rule::double_quoted => {
                    let value = self.quoted(part)?;
                    text.push_str(&value);
                    self.add_raw(&mut words, &value);
                }
                Rule::escaped => {
                    let kept = if self.keep_escapes { part.as_str() } else { &part.as_str()[1..] };
                    text.push_str(kept);
                    self.add_raw(&mut words, kept);
                }
                Rule::heredoc_mark => {
                    text.push_str(part.as_str());
                    self.add_raw(&mut words, part.as_str());
                }
                Rule::last_escape if self.keep_escapes => {
                    text.push_str(part.as_str());
                    self.add_raw(&mut words, part.as_str());
                }
                _ => {}
            }
            self.check(&text)?;
        }
        if !self.pending.is_empty() {
            words.done.push(std::mem::take(&mut self.pending));
        }
        Ok((text, words.done))
    }

    /// Adds text that is split at white space.
    fn add(&mut self, words: &mut Words, text: &str) {
        for character in text.chars() {
            if !character.is_whitespace() {
                self.pending.push(character);
                words.inside = true;
            } else if words.inside && !self.pending.is_empty() {
                words.done.push(std::mem::take(&mut self.pending));
                words.inside = false;
            }
        }
    }

    fn add_raw(&mut self, words: &mut Words, text: &str) {
        self.pending.push_str(text);
        words.inside = true;
    }

    fn quoted(&mut self, part: Pair<'_, Rule>) -> Result<String, Fault> {
        let (mark, unclosed) = match part.as_rule() {
            Rule::single_quoted => ('\'', WordErrorKind::UnclosedSingleQuote),
            _ => ('"', WordErrorKind::UnclosedDoubleQuote),
        };
        let mut text = String::new();
        if self.lexer.keep_quotes {
            text.push(mark);
        }
        for piece in part.into_inner() {
            match piece.as_rule() {
                Rule::variable => text.push_str(&self.variable(piece)?),
                Rule::double_escaped if self.keep_escapes => text.push_str(piece.as_str()),
                Rule::double_escaped => text.push_str(&piece.as_str()[1..]),
                Rule::double_escape => {
                    // Kept escapes are doubled before a character that they don't escape, as in the reference.
                    let times = if self.keep_escapes { 2 } else { 1 };
                    text.extend(std::iter::repeat_n(self.lexer.escape, times));
                }
                Rule::closing_quote => {
                    if self.lexer.keep_quotes {
                        text.push(mark);
                    }
                    return Ok(text);
                }
                _ => text.push_str(piece.as_str()),
            }
            self.check(&text)?;
        }
        Err(Fault { kind: unclosed, at_end: true })
    }

    fn variable(&mut self, part: Pair<'_, Rule>) -> Result<String, Fault> {
        let span = part.as_span();
        let value = self.value_of(part);
        if value.is_err() {
            self.blamed.get_or_insert((span.start(), span.end()));
        }
        value
    }

    fn value_of(&mut self, part: Pair<'_, Rule>) -> Result<String, Fault> {
        let source = part.as_str();
        let Some(inner) = part.into_inner().next() else {
            return Ok("$".to_owned());
        };
        if inner.as_rule() == Rule::braced {
            return self.braced(inner);
        }
        match self.look_up(inner.as_str()) {
            Some(value) => Ok(value.into_owned()),
            None if self.lexer.keep_unset => Ok(source.to_owned()),
            None => Ok(String::new()),
        }
    }

    fn braced(&mut self, part: Pair<'_, Rule>) -> Result<String, Fault> {
        let end = part.as_span().end();
        let mut inner = part.into_inner();
        let name = match inner.next() {
            Some(first) if first.as_rule() == Rule::brace_name => first.as_str(),
            Some(first) if first.as_rule() == Rule::too_deep => return Err(self.fault(WordErrorKind::TooDeep, end)),
            Some(_) if end < self.length => return Err(self.fault(WordErrorKind::BadSubstitution, end)),
            _ => return Err(self.fault(WordErrorKind::MissingBrace, end)),
        };
        let Some(operation) = inner.next() else {
            // The name reaches the end: the reference names the end of its input as a modifier.
            return Err(self.unsupported("\u{fffd}", end));
        };
        match operation.as_rule() {
            Rule::brace_end => match self.look_up(name) {
                Some(value) => Ok(value.into_owned()),
                None if self.lexer.keep_unset => Ok(format!("${{{name}}}")),
                None => Ok(String::new()),
            },
            Rule::test => self.test(name, operation),
            Rule::remove => self.remove(name, operation),
            Rule::replace => self.replace(name, operation),
            _ if operation.as_str() == ":" => Err(self.fault(WordErrorKind::MissingBrace, end)),
            _ => Err(self.unsupported(operation.as_str(), operation.as_span().end())),
        }
    }

    /// `${v-x}`, `${v+x}`, `${v?x}`, each also with `:`, which treats an empty value as unset.
    fn test(&mut self, name: &str, operation: Pair<'_, Rule>) -> Result<String, Fault> {
        let end = operation.as_span().end();
        let mut inner = operation.into_inner();
        let modifier = inner.next().map_or("", |pair| pair.as_str());
        let word = self.body(&mut inner, false, Rule::brace_end)?;
        let value = self.look_up(name);
        if self.lexer.keep_unset && value.is_none() {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        let strict = modifier.starts_with(':');
        let present = value.as_ref().is_some_and(|value| !strict || !value.is_empty());
        match modifier.trim_start_matches(':') {
            "-" if present => Ok(value.unwrap_or_default().into_owned()),
            "-" => Ok(word),
            "+" if present => Ok(word),
            "+" => Ok(String::new()),
            "?" if present => Ok(value.unwrap_or_default().into_owned()),
            "?" => {
                let message = match (word.is_empty(), value.is_some()) {
                    (false, _) => word,
                    (true, true) => "is not allowed to be empty".to_owned(),
                    (true, false) => "is not allowed to be unset".to_owned(),
                };
                Err(self.fault(WordErrorKind::Required { name: name.to_owned(), message }, end))
            }
            _ => Err(self.unsupported(modifier, end)),
        }
    }

    /// `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`.
    fn remove(&mut self, name: &str, operation: Pair<'_, Rule>) -> Result<String, Fault> {
        let end = operation.as_span().end();
        let mut inner = operation.into_inner();
        let modifier = inner.next().map_or("", |pair| pair.as_str());
        let word = self.body(&mut inner, true, Rule::brace_end)?;
        let value = self.look_up(name);
        if self.lexer.keep_unset && value.is_none() {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        let value = value.unwrap_or_default();
        let (pattern, longest) = match word.strip_prefix(modifier) {
            Some(rest) => (rest, true),
            None => (word.as_str(), false),
        };
        self.check_work(pattern, &value)?;
        match Pattern::parse(pattern) {
            Ok(pattern) if modifier == "%" => Ok(pattern.without_suffix(&value, longest)),
            Ok(pattern) => Ok(pattern.without_prefix(&value, longest)),
            Err(kind) => Err(self.fault(kind, end)),
        }
    }

    /// `${v/p/r}`, `${v//p/r}`.
    fn replace(&mut self, name: &str, operation: Pair<'_, Rule>) -> Result<String, Fault> {
        let end = operation.as_span().end();
        let mut inner = operation.into_inner().peekable();
        let all = inner.next_if(|pair| pair.as_rule() == Rule::replace_all).is_some();
        let pattern = self.body(&mut inner, true, Rule::slash)?;
        let replacement = self.body(&mut inner, true, Rule::brace_end)?;
        let value = self.look_up(name);
        if self.lexer.keep_unset && value.is_none() {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let value = value.unwrap_or_default();
        self.check_work(&pattern, &value)?;
        match Pattern::parse(&pattern) {
            Ok(pattern) if all => {
                let too_long = Fault { kind: WordErrorKind::TooLong, at_end: false };
                pattern.replace_all(&value, &replacement, self.most).ok_or(too_long)
            }
            Ok(pattern) => Ok(pattern.replace_first(&value, &replacement)),
            Err(kind) => Err(self.fault(kind, end)),
        }
    }

    /// The text up to `stop`, which must follow.
    fn body<'i>(
        &mut self,
        inner: &mut impl Iterator<Item = Pair<'i, Rule>>,
        keep_escapes: bool,
        stop: Rule,
    ) -> Result<String, Fault> {
        let missing = if stop == Rule::slash { WordErrorKind::MissingSlash } else { WordErrorKind::MissingBrace };
        let outer = std::mem::replace(&mut self.keep_escapes, keep_escapes);
        let text = match inner.next() {
            Some(parts) => self.text(parts.into_inner()).map(|(text, _)| text),
            None => Ok(String::new()),
        };
        self.keep_escapes = outer;
        match text {
            Err(fault) if fault.at_end => Err(Fault { kind: missing, at_end: true }),
            Err(fault) => Err(fault),
            Ok(text) if inner.next().is_some_and(|pair| pair.as_rule() == stop) => Ok(text),
            Ok(_) => Err(Fault { kind: missing, at_end: true }),
        }
    }

    fn check(&self, text: &str) -> Result<(), Fault> {
        if text.len() > self.most { Err(Fault { kind: WordErrorKind::TooLong, at_end: false }) } else { Ok(()) }
    }

    /// Matching takes as many steps as the product of both lengths.
    fn check_work(&self, pattern: &str, value: &str) -> Result<(), Fault> {
        let steps = pattern.len().saturating_mul(value.len());
        if steps > MOST_STEPS { Err(Fault { kind: WordErrorKind::TooHard, at_end: false }) } else { Ok(()) }
    }

    fn look_up(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.variables.get(name);
        let names = if value.is_some() { &mut self.expansion.used } else { &mut self.expansion.unmatched };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        value
    }

    fn unsupported(&self, modifier: &str, end: usize) -> Fault {
        self.fault(WordErrorKind::UnsupportedModifier { modifier: modifier.to_owned() }, end)
    }

    fn fault(&self, kind: WordErrorKind, end: usize) -> Fault {
        Fault { kind, at_end: end >= self.length }
    }
}
