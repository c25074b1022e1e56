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
        if let Some(trimmed) = action.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace)) {
            action = trimmed;
            before = before.trim_end();
        }
        trim_left = false;
        if let Some(trimmed) = action.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace)) {
            action = trimmed;
            trim_left = true;
        }
        pieces.push(Piece::Text(before.to_owned()));
        if !(action.trim().starts_with("/*") && action.trim().ends_with("*/")) {
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
            let length = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '.').map_or(rest.len(), |at| at + 1);
            let text = rest[..length].trim_start_matches('+');
            let number = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from));
            (Token::Literal(number.map_err(|_| format!("bad number `{text}`"))?), length)
        }
        c if c.is_alphabetic() || c == '_' => {
            let length = name_length(rest);
            (Token::Word(rest[..length].to_owned()), length)
        }
        other => return Err(format!("unexpected character `{other}`")),
    })
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
        out.push(match chars.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('0') => '\0',
            Some(c @ ('\\' | '"' | '\'')) => c,
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).ok_or("bad escape in a string")?
            }
            _ => return Err("bad escape in a string".to_owned()),
        });
    }
    match quote {
        '\'' => Ok(Value::from(out.chars().next().map_or(0, u32::from))),
        _ => Ok(Value::from(out)),
    }
}
