//! One pattern: how it is compiled and what it matches.

use regex::Regex;

use super::wildcards::Wildcards;
use super::{PatternError, go_regex};
use crate::base::glob;

#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) negated: bool,
    /// The pattern is `*`, `**` or `**/*`.
    pub(super) is_everything: bool,
    matcher: Matcher,
    /// The names before the first one with a wildcard: all matches are below them.
    literal_parents: Vec<u8>,
    /// There is no wildcard: the pattern matches one path and what is below it.
    is_literal: bool,
    quick: Quick,
}

/// Conditions for a match that need no regular expression.
#[derive(Debug, Default)]
struct Quick {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    last: Option<u8>,
    /// The number of names in a match, if it is fixed.
    depth: Option<usize>,
}

#[derive(Debug)]
enum Matcher {
    Exact(Vec<u8>),
    /// From a trailing `**`.
    Prefix(Vec<u8>),
    /// From a leading `**`; if the rest begins with a slash, it also matches without it as the whole path.
    Suffix(Vec<u8>),
    Regex {
        regex: Box<Regex>,
        /// A faster equivalent, for simple patterns.
        wildcards: Option<Wildcards>,
    },
}

impl Pattern {
    /// `None` for a blank pattern.
    pub(super) fn new(text: &[u8]) -> Result<Option<Self>, PatternError> {
        let text = trim(text);
        if text.is_empty() {
            return Ok(None);
        }
        let mut cleaned = clean(text);
        let negated = cleaned[0] == b'!';
        if negated {
            cleaned.remove(0);
            if cleaned.is_empty() {
                return Err(PatternError::BareExclamation);
            }
        }
        let syntax = || PatternError::Syntax { pattern: String::from_utf8_lossy(text).into_owned() };
        glob::check_start(&cleaned).map_err(|_| syntax())?;
        let matcher = compile(&cleaned).ok_or_else(syntax)?;
        let plain = cleaned.iter().take_while(|byte| !b"*?[]\\|{}^".contains(byte)).count();
        let is_literal = plain == cleaned.len();
        let parents_end = if is_literal { plain } else { last_slash(&cleaned[..plain]) };
        let literal_parents = cleaned[..parents_end].to_vec();
        let quick = Quick::new(&cleaned);
        let is_everything = matches!(cleaned.as_slice(), b"*" | b"**" | b"**/*");
        Ok(Some(Self { negated, is_everything, matcher, literal_parents, is_literal, quick }))
    }

    /// Whether the path itself matches.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact(exact) => path == exact,
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Suffix(suffix) => path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path),
            Matcher::Regex { regex, wildcards } => {
                let quickly = || wildcards.as_ref()?.matches(path);
                self.quick.allows(path) && quickly().unwrap_or_else(|| matches_regex(regex, path))
            }
        }
    }

    /// Whether the path or a directory above it matches; `ends` are the ends of its names.
    pub(super) fn matches_or_parent(&self, path: &[u8], ends: &[usize]) -> bool {
        let ends_name = |end: usize| path.get(end).is_none_or(|&byte| byte == b'/');
        match &self.matcher {
            Matcher::Exact(exact) => path.starts_with(exact) && ends_name(exact.len()),
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Regex { .. } if !path.starts_with(&self.quick.prefix) => false,
            Matcher::Suffix(_) | Matcher::Regex { .. } => {
                let ends = match self.quick.depth {
                    Some(depth) => ends.get(depth - 1..depth).unwrap_or_default(),
                    None => ends,
                };
                ends.iter().any(|&end| self.may_end_with(path[..end].last()) && self.matches(&path[..end]))
            }
        }
    }

    /// The first byte of every matching path, if it is fixed.
    pub(super) fn first_byte(&self) -> Option<u8> {
        match &self.matcher {
            Matcher::Exact(text) | Matcher::Prefix(text) => text.first().copied(),
            Matcher::Suffix(_) => None,
            Matcher::Regex { .. } => self.quick.prefix.first().copied(),
        }
    }

    /// The last byte of every path that matches itself, not by a folder above it, if it is fixed.
    pub(super) fn last_byte(&self) -> Option<u8> {
        match &self.matcher {
            Matcher::Exact(text) | Matcher::Suffix(text) => text.last().copied(),
            Matcher::Prefix(_) => None,
            Matcher::Regex { .. } => self.quick.last,
        }
    }

    /// Most paths already differ from most patterns in their last byte.
    fn may_end_with(&self, byte: Option<&u8>) -> bool {
        self.quick.last.is_none() || self.quick.last.as_ref() == byte
    }

    /// False only if nothing below `directory` can match.
    pub(super) fn may_match_below(&self, directory: &[u8]) -> bool {
        let parents = &self.literal_parents;
        let is_above = |above: &[u8], below: &[u8]| {
            above.is_empty() || (below.starts_with(above) && below.get(above.len()).is_none_or(|&byte| byte == b'/'))
        };
        if self.is_literal {
            return is_above(directory, parents);
        }
        is_above(directory, parents) || is_above(parents, directory)
    }
}

impl Quick {
    fn new(pattern: &[u8]) -> Self {
        // These can change the meaning of the whole regular expression.
        if pattern.iter().any(|byte| b"|{}^\\".contains(byte)) {
            return Self::default();
        }
        let special = |byte: &u8| b"*?[]".contains(byte);
        let Some(first) = pattern.iter().position(special) else { return Self::default() };
        let last = pattern.iter().rposition(special).unwrap_or(first);
        let simple = classes_hold_no_slash(pattern) && !pattern.windows(2).any(|pair| pair == b"**");
        // The slash after `**` belongs to it.
        let after = pattern.len().min(last + 1 + usize::from(pattern[last] != b'?'));
        Self {
            last: pattern[after..].last().copied(),
            prefix: pattern[..first].to_vec(),
            suffix: pattern[after..].to_vec(),
            depth: simple.then(|| 1 + pattern.iter().filter(|&&byte| byte == b'/').count()),
        }
    }

    fn allows(&self, path: &[u8]) -> bool {
        path.starts_with(&self.prefix) && path.ends_with(&self.suffix)
    }
}

/// Whether all classes contain only letters, digits and ranges between them without a slash.
fn classes_hold_no_slash(pattern: &[u8]) -> bool {
    let mut rest = pattern;
    while let Some(open) = memchr::memchr2(b'[', b']', rest) {
        let Some(close) = memchr::memchr(b']', &rest[open + 1..]).filter(|_| rest[open] == b'[') else { return false };
        let class = &rest[open + 1..open + 1 + close];
        let is_bound = |at: usize| class.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let is_plain = |(at, byte): (usize, &u8)| {
            byte.is_ascii_alphanumeric() || (*byte == b'-' && at > 0 && is_bound(at - 1) && is_bound(at + 1))
        };
        if class.is_empty() || !class.iter().enumerate().all(is_plain) {
            return false;
        }
        rest = &rest[open + close + 2..];
    }
    true
}

/// The results of the wildcards and of the regular expression, if there are both.
#[cfg(test)]
pub(super) fn compare(pattern: &[u8], path: &[u8]) -> Option<(bool, bool)> {
    let Matcher::Regex { regex, wildcards: Some(wildcards) } = compile(pattern)? else { return None };
    Some((wildcards.matches(path)?, matches_regex(&regex, path)))
}

/// Like Go, reads every byte that is not part of a character as U+FFFD.
fn matches_regex(regex: &Regex, path: &[u8]) -> bool {
    if let Ok(path) = std::str::from_utf8(path) {
        return regex.is_match(path);
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    regex.is_match(&text)
}

/// The kind of a pattern, as far as it is known while its regular expression is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

fn compile(pattern: &[u8]) -> Option<Matcher> {
    let text = String::from_utf8_lossy(pattern);
    let (form, expression) = regular_expression(&text);
    Some(match form {
        Form::Exact => Matcher::Exact(pattern.to_vec()),
        Form::Prefix => Matcher::Prefix(pattern[..pattern.len() - 2].to_vec()),
        Form::Suffix => Matcher::Suffix(pattern[2..].to_vec()),
        Form::Regex => Matcher::Regex {
            regex: Box::new(Regex::new(&go_regex::translate(&expression)?).ok()?),
            wildcards: Wildcards::new(pattern),
        },
    })
}

/// Docker's translation, quirks included: characters that are special in a regular expression but not in a pattern are
/// escaped only below U+0040, and classes are translated character by character.
fn regular_expression(pattern: &str) -> (Form, String) {
    let mut form = Form::Exact;
    let mut expression = String::from("^");
    let mut characters = pattern.chars().peekable();
    let mut at_start = true;
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                characters.next_if_eq(&'/');
                let at_end = characters.peek().is_none();
                expression.push_str(if at_end { ".*" } else { "(.*/)?" });
                form = match (at_start, at_end, form) {
                    (true, ..) => Form::Suffix,
                    (false, true, Form::Exact) => Form::Prefix,
                    _ => Form::Regex,
                };
            }
            '*' | '?' => {
                expression.push_str(if character == '*' { "[^/]*" } else { "[^/]" });
                form = Form::Regex;
            }
            '\\' => {
                expression.push('\\');
                expression.extend(characters.next());
                form = Form::Regex;
            }
            '[' | ']' => {
                expression.push(character);
                form = Form::Regex;
            }
            '.' | '+' | '(' | ')' | '$' => expression.extend(['\\', character]),
            _ => expression.push(character),
        }
        at_start = false;
    }
    expression.push('$');
    (form, expression)
}

/// Go's `filepath.Clean`: removes dots and double slashes, and resolves `..` after a name.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.last().is_some_and(|last| *last != b"..") => drop(names.pop()),
            b".." if rooted => {}
            _ => names.push(name),
        }
    }
    let joined = names.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

/// Trims white space at both ends; Unicode white space if the text is UTF-8.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}

fn last_slash(text: &[u8]) -> usize {
    memchr::memrchr(b'/', text).unwrap_or(0)
}
