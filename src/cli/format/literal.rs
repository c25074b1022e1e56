//! The values of literals in a template: Go's strings, characters and numbers.

use serde_json::Value;

use super::printf::quoted;

/// A number in Go's syntax: with a base, underscores, or an exponent.
pub fn number(text: &str) -> Result<Value, String> {
    let plain = text.replace('_', "");
    let (is_negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let based = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)].into_iter().find_map(|(prefix, base)| {
        let rest = lower.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        i128::from_str_radix(rest, base).ok()
    });
    if let Some(whole) = based.or_else(|| digits.parse().ok()) {
        let whole = i64::try_from(if is_negative { -whole } else { whole });
        return whole.map(Value::from).map_err(|_| format!("integer overflow: {}", quoted(text, false)));
    }
    if !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("integer overflow: {}", quoted(text, false)));
    }
    let is_float = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match lower.parse::<f64>().ok().filter(|_| is_float) {
        Some(float) => Ok(Value::from(if is_negative { -float } else { float })),
        None => Err(format!("illegal number syntax: {}", quoted(text, false))),
    }
}

/// The value of a string or character literal, without its quotes.
pub fn unquote(text: &str) -> Result<String, String> {
    let inner = &text[1..text.len() - 1];
    if text.starts_with('`') {
        return Ok(inner.to_owned());
    }
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(escaped(&mut chars).ok_or("invalid syntax")?),
            c => out.push(c),
        }
    }
    Ok(out)
}

pub fn character(text: &str) -> Result<Value, String> {
    let inner = unquote(text)?;
    let mut chars = inner.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Value::from(u32::from(c))),
        (None, _) => Err("invalid syntax".to_owned()),
        _ => Err(format!("malformed character constant: {text}")),
    }
}

/// The character for an escape sequence after a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let next = chars.clone().next()?;
    if next.is_digit(8) {
        return code(chars, 3, 8).filter(|c| u32::from(*c) <= u32::from(u8::MAX));
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
