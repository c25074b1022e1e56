//! Bytes → tokens. Templates are scanned here, too, because only their braces show where one ends.

use unicode_ident::{is_xid_continue, is_xid_start};

use super::{Span, at};
use crate::language::bake::error::Diagnostic;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Identifier,
    Number,
    /// A symbol of one, two or three characters.
    Symbol(&'static str),
    Newline,
    OpenQuote,
    CloseQuote,
    OpenHeredoc {
        is_flush: bool,
    },
    CloseHeredoc,
    /// Text between quotes, with escapes.
    QuotedText,
    /// Text in a heredoc or a bare template.
    Text,
    /// `${`
    Interpolation {
        trims: bool,
    },
    /// `%{`
    Directive {
        trims: bool,
    },
    /// The `}` of either.
    SequenceEnd {
        trims: bool,
    },
    End,
}

#[derive(Debug, Clone, Copy)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// The context of the scanner.
enum Mode {
    /// Code, with the depth of braces at which a template's sequence ends.
    Code {
        sequence: bool,
        depth: usize,
    },
    Quoted,
    Heredoc {
        marker: String,
        is_line_start: bool,
    },
    Bare,
}

/// Longer ones first.
const SYMBOLS: [&str; 31] = [
    "...", "==", "!=", ">=", "<=", "&&", "||", "::", "=>", "[", "]", "(", ")", ".", ",", "*", "/", "%", "+", "-", "=",
    "<", ">", "!", "?", ":", "{", "}", "&", "|", "^",
];

pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    file: usize,
    /// Offset added to all places.
    base: usize,
    modes: Vec<Mode>,
    tokens: Vec<Token>,
}

type Scanned = Result<(), Box<Diagnostic>>;

/// Nested templates and braces beyond this are refused.
const MAX_MODES: usize = 200;

impl<'a> Lexer<'a> {
    /// Code, from the place on.
    pub fn code(text: &'a str, place: Span) -> Result<Vec<Token>, Box<Diagnostic>> {
        Self::run(text, place, Mode::Code { sequence: false, depth: 0 })
    }

    /// A template without quotes.
    pub fn bare(text: &'a str, place: Span) -> Result<Vec<Token>, Box<Diagnostic>> {
        Self::run(text, place, Mode::Bare)
    }

    fn run(text: &'a str, place: Span, mode: Mode) -> Result<Vec<Token>, Box<Diagnostic>> {
        let mut lexer =
            Self { text, at: 0, file: place.file, base: place.start, modes: vec![mode], tokens: Vec::new() };
        if text.starts_with('\u{feff}') {
            lexer.at = '\u{feff}'.len_utf8();
        }
        while lexer.at < text.len() {
            match lexer.modes.last_mut() {
                Some(Mode::Code { .. }) | None => lexer.code_token()?,
                Some(Mode::Quoted) => lexer.quoted()?,
                Some(Mode::Heredoc { .. }) => lexer.heredoc()?,
                Some(Mode::Bare) => lexer.bare_text()?,
            }
        }
        lexer.push(Kind::End, lexer.at);
        Ok(lexer.tokens)
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let span = self.span(start, self.at);
        self.tokens.push(Token { kind, span });
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: self.base + start, end: self.base + end }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn enter(&mut self, mode: Mode) -> Scanned {
        if self.modes.len() >= MAX_MODES {
            let span = self.span(self.at, self.at);
            return Err(at(span, "Nested too deeply", "Templates are nested too deeply here."));
        }
        self.modes.push(mode);
        Ok(())
    }

    fn take(&mut self, kind: Kind, length: usize) {
        let start = self.at;
        self.at += length;
        self.push(kind, start);
    }

    fn code_token(&mut self) -> Scanned {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(()) };
        match first {
            ' ' | '\t' => self.at += 1,
            '\n' => self.take(Kind::Newline, 1),
            '\r' if rest.starts_with("\r\n") => self.take(Kind::Newline, 2),
            '#' => self.skip_line(),
            '/' if rest.starts_with("//") => self.skip_line(),
            '/' if rest.starts_with("/*") => {
                let Some(length) = rest.find("*/") else { return Err(self.invalid(first)) };
                self.at += length + 2;
            }
            '"' => {
                self.take(Kind::OpenQuote, 1);
                self.enter(Mode::Quoted)?;
            }
            '<' if heredoc_marker(rest).is_some() => {
                if let Some((length, marker, is_flush)) = heredoc_marker(rest) {
                    self.take(Kind::OpenHeredoc { is_flush }, length);
                    self.enter(Mode::Heredoc { marker, is_line_start: true })?;
                }
            }
            '0'..='9' => self.take(Kind::Number, number_length(rest)),
            _ if first == '_' || is_xid_start(first) => {
                let end = rest.find(|letter| !(letter == '-' || is_xid_continue(letter)));
                self.take(Kind::Identifier, end.unwrap_or(rest.len()));
            }
            '~' if rest.starts_with("~}") => self.close_sequence(true),
            _ => return self.symbol(first),
        }
        Ok(())
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        // The line end is a separate token, with its carriage return.
        let end = if rest[..end].ends_with('\r') && end < rest.len() { end - 1 } else { end };
        self.at += end;
    }

    fn symbol(&mut self, first: char) -> Scanned {
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest().starts_with(symbol)) else {
            return Err(self.invalid(first));
        };
        match symbol {
            // HCL has none; this is the error of its own parser.
            "&" | "|" | "^" => {
                let span = self.span(self.at, self.at + 1);
                let hint = match symbol {
                    "&" => " Did you mean boolean AND (\"&&\")?",
                    "|" => " Did you mean boolean OR (\"||\")?",
                    _ => "",
                };
                return Err(at(span, "Unsupported operator", format!("Bitwise operators are not supported.{hint}")));
            }
            "{" => {
                if let Some(Mode::Code { depth, .. }) = self.modes.last_mut() {
                    *depth += 1;
                }
            }
            "}" => {
                let is_end = matches!(self.modes.last(), Some(Mode::Code { sequence: true, depth: 0 }));
                if is_end {
                    self.close_sequence(false);
                    return Ok(());
                }
                if let Some(Mode::Code { depth, .. }) = self.modes.last_mut() {
                    *depth = depth.saturating_sub(1);
                }
            }
            _ => {}
        }
        self.take(Kind::Symbol(symbol), symbol.len());
        Ok(())
    }

    fn close_sequence(&mut self, trims: bool) {
        self.take(Kind::SequenceEnd { trims }, if trims { 2 } else { 1 });
        if matches!(self.modes.last(), Some(Mode::Code { sequence: true, depth: 0 })) {
            self.modes.pop();
        }
    }

    fn invalid(&self, letter: char) -> Box<Diagnostic> {
        let span = self.span(self.at, self.at + letter.len_utf8());
        let detail = match letter {
            '`' => {
                "The \"`\" character is not valid. To create a multi-line string, use the \"heredoc\" syntax, like \
                 \"<<EOT\"."
            }
            '\'' => "Single quotes are not valid. Use double quotes (\") to enclose strings.",
            ';' => {
                "The \";\" character is not valid. Use newlines to separate arguments and blocks, and commas to \
                 separate items in collection values."
            }
            '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}' => {
                "\"Curly quotes\" are not valid here. Replace the character with a \"straight quote\"."
            }
            _ => "This character is not used within the language.",
        };
        at(span, "Invalid character", detail)
    }

    /// A `${` or `%{` at this place, if there is one.
    fn sequence(&mut self) -> Result<bool, Box<Diagnostic>> {
        let rest = self.rest();
        let trims = rest.get(2..).is_some_and(|behind| behind.starts_with('~'));
        let kind = if rest.starts_with("${") {
            Kind::Interpolation { trims }
        } else if rest.starts_with("%{") {
            Kind::Directive { trims }
        } else {
            return Ok(false);
        };
        self.take(kind, if trims { 3 } else { 2 });
        if let Some(Mode::Heredoc { is_line_start, .. }) = self.modes.last_mut() {
            *is_line_start = false;
        }
        self.enter(Mode::Code { sequence: true, depth: 0 })?;
        Ok(true)
    }

    fn quoted(&mut self) -> Scanned {
        if self.rest().starts_with('"') {
            self.take(Kind::CloseQuote, 1);
            self.modes.pop();
            return Ok(());
        }
        if self.sequence()? {
            return Ok(());
        }
        let length = text_length(self.rest(), true);
        if length == 0 {
            let span = self.span(self.at, self.at + 1);
            return Err(at(
                span,
                "Invalid multi-line string",
                "Quoted strings may not be split over multiple lines. To produce a multi-line string, either use the \
                 \\n escape to represent a newline character or use the \"heredoc\" multi-line template syntax.",
            ));
        }
        self.take(Kind::QuotedText, length);
        Ok(())
    }

    fn bare_text(&mut self) -> Scanned {
        if self.sequence()? {
            return Ok(());
        }
        let rest = self.rest();
        let length = text_length(rest, false);
        let length = length + usize::from(rest[length..].starts_with('\n'));
        self.take(Kind::Text, length.max(1));
        Ok(())
    }

    fn heredoc(&mut self) -> Scanned {
        let rest = self.rest();
        if let Some(Mode::Heredoc { marker, is_line_start: true }) = self.modes.last()
            && let Some(length) = rest.find('\n')
            && rest[..length].trim() == marker
        {
            let line_end = if rest[..length].ends_with('\r') { 2 } else { 1 };
            self.take(Kind::CloseHeredoc, length + 1 - line_end);
            self.modes.pop();
            self.take(Kind::Newline, line_end);
            return Ok(());
        }
        if self.sequence()? {
            return Ok(());
        }
        let length = text_length(rest, false);
        let ends_line = rest[length..].starts_with('\n');
        if let Some(Mode::Heredoc { is_line_start, .. }) = self.modes.last_mut() {
            *is_line_start = ends_line;
        }
        self.take(Kind::Text, (length + usize::from(ends_line)).max(1));
        Ok(())
    }
}

/// The length of text: up to a sequence, the end of the line, or, between quotes, the closing one.
fn text_length(rest: &str, is_quoted: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'\n' => break,
            b'\r' if is_quoted => break,
            b'"' if is_quoted => break,
            b'\\' if is_quoted => {
                let escaped = rest[index + 1..].chars().next().filter(|letter| *letter != '\n' && *letter != '\r');
                index += 1 + escaped.map_or(0, char::len_utf8);
            }
            sign @ (b'$' | b'%') => {
                if bytes.get(index + 1) == Some(&b'{') {
                    break;
                }
                let is_escaped = bytes.get(index + 1) == Some(&sign) && bytes.get(index + 2) == Some(&b'{');
                index += if is_escaped { 3 } else { 1 };
            }
            _ => index += 1,
        }
    }
    index
}

/// The length of a number: digits, points and exponents, but no point at its end.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let mut index = 1;
    let mut end = 1;
    loop {
        match bytes.get(index) {
            Some(b'0'..=b'9') => {
                index += 1;
                end = index;
            }
            Some(b'.') => index += 1,
            Some(b'e' | b'E') if is_digit(index + 1) => {
                index += 2;
                end = index;
            }
            Some(b'e' | b'E') if matches!(bytes.get(index + 1), Some(b'+' | b'-')) && is_digit(index + 2) => {
                index += 3;
                end = index;
            }
            _ => return end,
        }
    }
}

fn heredoc_marker(rest: &str) -> Option<(usize, String, bool)> {
    let behind = rest.strip_prefix("<<")?;
    let (name, is_flush) = match behind.strip_prefix('-') {
        Some(name) => (name, true),
        None => (behind, false),
    };
    let end = name.find('\n')?;
    let marker = name[..end].strip_suffix('\r').unwrap_or(&name[..end]);
    let mut letters = marker.chars();
    let is_name = letters.next().is_some_and(|letter| letter == '_' || is_xid_start(letter))
        && letters.all(|letter| letter == '-' || is_xid_continue(letter));
    is_name.then(|| (2 + usize::from(is_flush) + end + 1, marker.to_owned(), is_flush))
}
