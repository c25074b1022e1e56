//! `${NAME:-default}` in compose files.

use std::collections::BTreeMap;

use super::yaml::Node;

/// Deeper nesting of variables in defaults is refused.
const MAX_DEPTH: usize = 50;
const MAX_TEXT: usize = 16 << 20;

/// Expands the variables in all texts of a node.
///
/// # Errors
/// If one is malformed or missing, with the path of its node.
pub(super) fn interpolate(node: &mut Node, path: &str, names: &BTreeMap<String, String>) -> Result<(), String> {
    match node {
        Node::Text(text) => {
            *text = substitute(text, names, 0).map_err(|error| match error {
                Failure::Invalid(template) => format!(
                    "invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{template}"
                ),
                Failure::Missing(what) => format!("error while interpolating {path}: {what}"),
            })?;
        }
        Node::List(elements) => {
            for element in elements {
                interpolate(element, &format!("{path}.[]"), names)?;
            }
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                interpolate(value, &inner, names)?;
            }
        }
        Node::Override(inner) => interpolate(inner, path, names)?,
        _ => {}
    }
    Ok(())
}

#[derive(Debug)]
pub(super) enum Failure {
    Invalid(String),
    Missing(String),
}

pub(super) fn substitute(text: &str, names: &BTreeMap<String, String>, depth: usize) -> Result<String, Failure> {
    if depth > MAX_DEPTH {
        return Err(Failure::Invalid(text.to_owned()));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let behind = &rest[dollar + 1..];
        if let Some(after) = behind.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if behind.starts_with('{') {
            let Some(end) = closing_brace(behind) else {
                return Err(Failure::Invalid(text.to_owned()));
            };
            out.push_str(&braced(&behind[1..end], text, names, depth)?);
            rest = &behind[end + 1..];
        } else {
            let length = name_length(behind);
            if length == 0 {
                // A single dollar is literal.
                out.push('$');
            } else {
                out.push_str(names.get(&behind[..length]).map_or("", String::as_str));
            }
            rest = &behind[length..];
        }
        if out.len() > MAX_TEXT {
            return Err(Failure::Missing("the result would be longer than 16 MiB".to_owned()));
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn name_length(text: &str) -> usize {
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    if !starts {
        return 0;
    }
    text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(text.len())
}

/// The index of the brace that closes the first one.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0;
    for (index, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

fn braced(inner: &str, whole: &str, names: &BTreeMap<String, String>, depth: usize) -> Result<String, Failure> {
    let length = name_length(inner);
    let (name, operator) = inner.split_at(length);
    if length == 0 {
        return Err(Failure::Invalid(whole.to_owned()));
    }
    let value = names.get(name);
    let nested = |text: &str| substitute(text, names, depth + 1);
    let (wants_text, operator) = match operator.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let is_there = value.is_some_and(|value| !wants_text || !value.is_empty());
    let given = || value.cloned().unwrap_or_default();
    let mut letters = operator.chars();
    match (letters.next(), letters.as_str()) {
        (None, _) if !wants_text => Ok(given()),
        (Some('-'), default) => {
            if is_there {
                Ok(given())
            } else {
                nested(default)
            }
        }
        (Some('+'), replacement) => {
            if is_there {
                nested(replacement)
            } else {
                Ok(given())
            }
        }
        (Some('?'), reason) => {
            if is_there {
                return Ok(given());
            }
            let reason = nested(reason)?;
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            Err(Failure::Missing(format!("required variable {name} is missing a value{reason}")))
        }
        _ => Err(Failure::Invalid(whole.to_owned())),
    }
}
