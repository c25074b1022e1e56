//! `.env` files.

use std::collections::BTreeMap;

use super::interpolate::{Failure, substitute};

/// The variables of a file. References are looked up in the environment first, then in the file.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn parse(text: &str, around: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut rest = text.as_str();
    let mut line = 1;
    loop {
        let start = rest.len() - rest.trim_start().len();
        line += rest[..start].matches('\n').count();
        rest = &rest[start..];
        if rest.is_empty() {
            return Ok(found);
        }
        if rest.starts_with('#') {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let statement = rest.strip_prefix("export ").map_or(rest, str::trim_start);
        let end = statement.find(['=', ':', '\n']).unwrap_or(statement.len());
        let name = statement[..end].trim();
        let is_name = !name.is_empty()
            && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-' | '[' | ']'));
        if !is_name {
            return Err(format!("line {line}: unexpected character in variable name {name:?}"));
        }
        if !statement[end..].starts_with(['=', ':']) {
            // A name without a value takes it from outside.
            if let Some(value) = around.get(name) {
                found.insert(name.to_owned(), value.clone());
            }
            rest = &statement[end..];
            continue;
        }
        let (value, behind) = value(statement[end + 1..].trim_start_matches([' ', '\t']), line, &found, around)?;
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        found.insert(name.to_owned(), value);
        rest = behind;
    }
}

fn value<'a>(
    text: &'a str,
    line: usize,
    found: &BTreeMap<String, String>,
    around: &BTreeMap<String, String>,
) -> Result<(String, &'a str), String> {
    let expand = |raw: &str| {
        let mut names = found.clone();
        names.extend(around.clone());
        substitute(raw, &names, 0).map_err(|error| match error {
            Failure::Invalid(template) => format!("line {line}: invalid template: {template}"),
            Failure::Missing(what) => format!("line {line}: {what}"),
        })
    };
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let end = text.find('\n').unwrap_or(text.len());
        let mut raw = &text[..end];
        if let Some(comment) = raw.find(" #") {
            raw = &raw[..comment];
        }
        return Ok((expand(raw.trim())?, &text[end..]));
    };
    let mut escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            let raw = &text[1..index];
            let value = if quote == '\'' { raw.to_owned() } else { expand(&unescape(raw))? };
            return Ok((value, &text[index + 1..]));
        }
        escaped = letter == '\\' && !escaped;
    }
    Err(format!("line {line}: unterminated quoted value"))
}

fn unescape(raw: &str) -> String {
    let mut out = String::new();
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(other @ ('"' | '\\')) => out.push(other),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}
