//! A template's text → literal text and the tokens of its actions.

use serde_json::Value;

use super::FormatError;

/// What stands between `{{` and `}}`, or around it.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name: a keyword, a function, `true`, `nil`.
    Word(String),
    /// `.A`; an empty name is the lone dot. `glued` when no blank stands before it, so that it belongs to what does.
    Field {
        name: String,
        glued: bool,
    },
    /// `$x`; an empty name is the lone `$`.
    Variable(String),
    Literal(Value),
    Open,
    Close,
    Pipe,
    Comma,
    Declare,
    Assign,
}

pub fn split(text: &str) -> Result<Vec<Piece>, FormatError> {
    let syntax = |message: &str| FormatError::Syntax { message: message.to_owned(), text: text.to_owned() };
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_left = false;
    while let Some(start) = rest.find("{{") {
        let mut before = &rest[..start];
        let inner = &rest[start + 2..];
        let end = action_end(inner).ok_or_else(|| syntax("unclosed action, or an unterminated string"))?;
        let mut action = &inner[..end];
        rest = &inner[end + 2..];
        if trim_left {
            before = before.trim_start();
        }
        if let Some(trimmed) = action.strip_prefix('-').and_then(|rest| rest.strip_prefix(char::is_whitespace)) {
            action = trimmed;
            before = before.trim_end();
        }
        trim_left = false;
        if let Some(trimmed) = action.strip_suffix('-').and_then(|rest| rest.strip_suffix(char::is_whitespace)) {
            action = trimmed;
            trim_left = true;
        }
        pieces.push(Piece::Text(before.to_owned()));
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            pieces.push(Piece::Action(tokens(action).map_err(|message| syntax(&message))?));
        }
    }
    pieces.push(Piece::Text(if trim_left { rest.trim_start() } else { rest }.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

/// Where the action's `}}` is, strings and comments skipped.
fn action_end(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'`' | b'\'') => at += string_length(&inner[at..], quote)?,
            b'/' if inner[at..].starts_with("/*") => at += inner[at..].find("*/")? + 2,
            b'}' if inner[at..].starts_with("}}") => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// The length of the quoted string that `text` starts with, quotes included.
fn string_length(text: &str, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != b'`' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action;
    let mut glued = false;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            glued = false;
            continue;
        }
        let (token, length) = token(rest, first, glued)?;
        tokens.push(token);
        rest = &rest[length..];
        glued = true;
    }
    Ok(tokens)
}

fn token(rest: &str, first: char, glued: bool) -> Result<(Token, usize), String> {
    let name_length = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    Ok(match first {
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        '|' => (Token::Pipe, 1),
        ',' => (Token::Comma, 1),
        ':' if rest.starts_with(":=") => (Token::Declare, 2),
        '=' => (Token::Assign, 1),
        '"' | '`' | '\'' => {
            let length = string_length(rest, first as u8).ok_or("unterminated string")?;
            (Token::Literal(unquote(&rest[1..length - 1], first)?), length)
        }
        '$' => {
            let length = name_length(&rest[1..]);
            (Token::Variable(rest[1..=length].to_owned()), length + 1)
        }
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let length = name_length(&rest[1..]);
            (Token::Field { name: rest[1..=length].to_owned(), glued }, length + 1)
        }
        c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => {
            let length = number_length(rest);
            let number = number(&rest[..length]).ok_or_else(|| format!("bad number `{}`", &rest[..length]))?;
            (Token::Literal(number), length)
        }
        c if c.is_alphabetic() || c == '_' => {
            let length = name_length(rest);
            (Token::Word(rest[..length].to_owned()), length)
        }
        other => return Err(format!("unexpected character `{other}`")),
    })
}

/// Of the number that `text` starts with, its sign and that of its exponent included.
fn number_length(text: &str) -> usize {
    let is_decimal = !text.trim_start_matches(['+', '-']).starts_with("0x");
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_sign = matches!(c, '+' | '-') && (at == 0 || (is_decimal && matches!(before, 'e' | 'E')));
        if !c.is_alphanumeric() && c != '.' && c != '_' && !is_sign {
            return at;
        }
        before = c;
    }
    text.len()
}

/// As Go's source has numbers: with a base, underscores, or an exponent.
fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let based = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)].into_iter().find_map(|(prefix, base)| {
        let rest = lower.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        i64::from_str_radix(rest, base).ok()
    });
    if let Some(whole) = based.or_else(|| digits.parse().ok()) {
        return Some(Value::from(sign * whole));
    }
    let is_float = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    lower.parse::<f64>().ok().filter(|_| is_float).map(|float| Value::from(f64::from(sign as i32) * float))
}

fn unquote(inner: &str, quote: char) -> Result<Value, String> {
    if quote == '`' {
        return Ok(Value::from(inner));
    }
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(escaped(&mut chars).ok_or("bad escape in a string")?);
    }
    match quote {
        '\'' => Ok(Value::from(out.chars().next().map_or(0, u32::from))),
        _ => Ok(Value::from(out)),
    }
}

/// What the characters after a backslash stand for.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let next = chars.clone().next()?;
    if next.is_digit(8) {
        return code(chars, 3, 8);
    }
    chars.next();
    match next {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' | '"' | '\'' => Some(next),
        'x' => code(chars, 2, 16),
        'u' => code(chars, 4, 16),
        'U' => code(chars, 8, 16),
        _ => None,
    }
}

fn code(chars: &mut std::str::Chars<'_>, length: usize, base: u32) -> Option<char> {
    let digits: String = chars.by_ref().take(length).collect();
    u32::from_str_radix(&digits, base).ok().and_then(char::from_u32)
}
