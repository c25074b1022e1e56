//! A template's text → tokens, with their positions. An invalid token is the last one.

use super::printf::quoted;

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Text,
    Open,
    Close,
    Space,
    /// A name: a keyword, a function, `true`, `nil`.
    Word,
    /// `.A`; a single dot is a separate kind.
    Field,
    Dot,
    /// `$` and the name after it.
    Variable,
    Number,
    Character,
    Quoted,
    LeftParen,
    RightParen,
    Pipe,
    Declare,
    Assign,
    Other,
    Error(String),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// In bytes from the start of the template.
    pub at: usize,
}

/// Words that are not functions. `nil` is a value, but as restricted as keywords.
const KEYWORDS: [&str; 11] =
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"];

/// Go's blanks.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

impl Token<'_> {
    pub fn is_keyword(&self) -> bool {
        self.kind == Kind::Word && KEYWORDS.contains(&self.text)
    }

    /// Go's name for an unexpected token.
    pub fn name(&self) -> String {
        const LONGEST: usize = 10;
        match &self.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Error(message) => message.clone(),
            Kind::Dot => "<.>".to_owned(),
            _ if self.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > LONGEST => {
                format!("{}...", quoted(&self.text.chars().take(LONGEST).collect::<String>(), false))
            }
            _ => quoted(self.text, false),
        }
    }
}

/// The tokens of a template; the last is `End` or `Error`.
pub fn split(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at: 0, open_parens: 0, tokens: Vec::new() };
    let (kind, at) = match lexer.template() {
        Ok(()) => (Kind::End, text.len()),
        Err((message, at)) => (Kind::Error(message), at),
    };
    lexer.tokens.push(Token { kind, text: "", at });
    lexer.tokens
}

/// The message, and the start of the invalid token.
type Wrong = (String, usize);

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    open_parens: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Adds a token of this length.
    fn take(&mut self, kind: Kind, length: usize) {
        let text = &self.text[self.at..self.at + length];
        self.tokens.push(Token { kind, text, at: self.at });
        self.at += length;
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        (message.into(), self.at)
    }

    fn template(&mut self) -> Result<(), Wrong> {
        while let Some(length) = self.rest().find("{{") {
            let inner = &self.rest()[length + 2..];
            let trims = inner.starts_with('-') && inner[1..].starts_with(BLANKS);
            let before = &self.rest()[..length];
            let kept = if trims { before.trim_end_matches(BLANKS).len() } else { length };
            if kept > 0 {
                self.take(Kind::Text, kept);
            }
            self.at += length - kept;
            let marker = if trims { 2 } else { 0 };
            if inner[marker..].starts_with("/*") {
                self.at += 2 + marker;
                self.comment()?;
            } else {
                self.take(Kind::Open, 2);
                self.at += marker;
                self.action()?;
            }
        }
        if !self.rest().is_empty() {
            self.take(Kind::Text, self.rest().len());
        }
        Ok(())
    }

    fn comment(&mut self) -> Result<(), Wrong> {
        let length = self.rest().find("*/").ok_or_else(|| self.wrong("unclosed comment"))? + 2;
        let trims = closing(&self.rest()[length..]);
        let trims = trims.ok_or_else(|| self.wrong("comment ends before closing delimiter"))?;
        self.at += length;
        self.close(trims, false);
        Ok(())
    }

    /// Skips the `}}`, and the blanks after it if it trims them.
    fn close(&mut self, trims: bool, is_token: bool) {
        self.at += if trims { 2 } else { 0 };
        match is_token {
            true => self.take(Kind::Close, 2),
            false => self.at += 2,
        }
        if trims {
            self.at = self.text.len() - self.rest().trim_start_matches(BLANKS).len();
        }
    }

    fn action(&mut self) -> Result<(), Wrong> {
        self.open_parens = 0;
        loop {
            if let Some(trims) = closing(self.rest()) {
                if self.open_parens > 0 {
                    return Err(self.wrong("unclosed left paren"));
                }
                self.close(trims, true);
                return Ok(());
            }
            let first = self.rest().chars().next().ok_or_else(|| self.wrong("unclosed action"))?;
            self.token(first)?;
        }
    }

    fn token(&mut self, first: char) -> Result<(), Wrong> {
        let rest = self.rest();
        let follows = |what: fn(char) -> bool| rest[first.len_utf8()..].starts_with(what);
        match first {
            _ if BLANKS.contains(&first) => {
                let length = rest.len() - rest.trim_start_matches(BLANKS).len();
                // The last blank belongs to a `-}}`.
                let is_trimmed = rest[length..].starts_with("-}}");
                self.take(Kind::Space, length - usize::from(is_trimmed));
            }
            '=' => self.take(Kind::Assign, 1),
            ':' if rest.starts_with(":=") => self.take(Kind::Declare, 2),
            ':' => return Err(self.wrong("expected :=")),
            '|' => self.take(Kind::Pipe, 1),
            '"' | '`' | '\'' => return self.quoted(first),
            '$' => return self.name(Kind::Variable, 1),
            '.' if !follows(|c| c.is_ascii_digit()) => {
                let kind = if follows(is_name) { Kind::Field } else { Kind::Dot };
                return self.name(kind, 1);
            }
            '.' | '+' | '-' | '0'..='9' => return self.number(),
            _ if is_name(first) => return self.name(Kind::Word, 0),
            '(' => {
                self.open_parens += 1;
                self.take(Kind::LeftParen, 1);
            }
            ')' => {
                self.take(Kind::RightParen, 1);
                let closed = self.open_parens.checked_sub(1);
                self.open_parens = closed.ok_or_else(|| self.wrong("unexpected right paren U+0029 ')'"))?;
            }
            ' '..='~' => self.take(Kind::Other, 1),
            _ => return Err(self.wrong(format!("unrecognized character in action: {}", code_point(first)))),
        }
        Ok(())
    }

    /// A name after a prefix of this length, which must be followed by a valid character.
    fn name(&mut self, kind: Kind, prefix: usize) -> Result<(), Wrong> {
        let rest = self.rest();
        let length = prefix + rest[prefix..].find(|c| !is_name(c)).unwrap_or(rest.len() - prefix);
        let may_follow = |c| BLANKS.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '(');
        match rest[length..].chars().next() {
            Some(next) if !may_follow(next) && !rest[length..].starts_with("}}") => {
                Err(self.wrong(format!("bad character {}", code_point(next))))
            }
            _ => {
                self.take(kind, length);
                Ok(())
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), Wrong> {
        let (kind, unterminated) = match quote {
            '`' => (Kind::Quoted, "unterminated raw quoted string"),
            '"' => (Kind::Quoted, "unterminated quoted string"),
            _ => (Kind::Character, "unterminated character constant"),
        };
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.take(kind, at + 1);
                    return Ok(());
                }
                '\\' if quote != '`' => {
                    chars.next().filter(|(_, next)| *next != '\n').ok_or_else(|| self.wrong(unterminated))?;
                }
                '\n' if quote != '`' => break,
                _ => {}
            }
        }
        Err(self.wrong(unterminated))
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let rest = self.rest();
        let length = number_length(rest);
        let next = rest[length..].chars().next();
        // Complex numbers are not supported.
        let goes_on = next.filter(|c| is_name(*c) || matches!(c, '+' | '-'));
        if let Some(next) = goes_on {
            let shown = if is_name(next) { length + next.len_utf8() } else { length + number_length(&rest[length..]) };
            return Err(self.wrong(format!("bad number syntax: {}", quoted(&rest[..shown], false))));
        }
        self.take(Kind::Number, length);
        Ok(())
    }
}

/// Whether an action ends here, and if so, whether it trims what follows.
fn closing(rest: &str) -> Option<bool> {
    match rest.strip_prefix(BLANKS) {
        Some(rest) => rest.starts_with("-}}").then_some(true),
        None => rest.starts_with("}}").then_some(false),
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

/// The length of the number at the start of `text`, including signs and exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = usize::from(text.starts_with(['+', '-']));
    let base = match bytes.get(at..at + 2).map(<[u8]>::to_ascii_lowercase).as_deref() {
        Some(b"0x") => 16,
        Some(b"0o") => 8,
        Some(b"0b") => 2,
        _ => 10,
    };
    at += if base == 10 { 0 } else { 2 };
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| *byte == b'_' || char::from(*byte).is_digit(base)) {
            at += 1;
        }
        at
    };
    at = digits(at);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    let exponent: &[u8] = if base == 16 { b"pP" } else { b"eE" };
    if matches!(base, 10 | 16) && bytes.get(at).is_some_and(|byte| exponent.contains(byte)) {
        at += 1;
        at += usize::from(bytes.get(at).is_some_and(|byte| b"+-".contains(byte)));
        at = digits(at);
    }
    at
}
