//! The functions of Go's text/template and those that docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::{is_true, wrong};
use super::{FormatError, print, printf};

pub fn call(name: &str, arguments: &[Value]) -> Result<Value, FormatError> {
    let text = |at: usize| -> Result<&str, FormatError> {
        arguments
            .get(at)
            .and_then(Value::as_str)
            .ok_or_else(|| wrong(name, format!("argument {} is no string", at + 1)))
    };
    let number = |at: usize| -> Result<usize, FormatError> {
        let value = arguments.get(at).and_then(Value::as_u64);
        value.map(|value| value as usize).ok_or_else(|| wrong(name, format!("argument {} is no number", at + 1)))
    };
    let any = |at: usize| arguments.get(at).ok_or_else(|| wrong(name, "wrong number of arguments".to_owned()));
    Ok(match name {
        "json" => Value::from(to_json(any(0)?)),
        "upper" => Value::from(text(0)?.to_uppercase()),
        "lower" => Value::from(text(0)?.to_lowercase()),
        "title" => Value::from(title(text(0)?)),
        "split" => text(0)?.split(text(1)?).map(Value::from).collect(),
        "join" => Value::from(join(any(0)?, text(1)?)),
        "truncate" => Value::from(text(0)?.chars().take(number(1)?).collect::<String>()),
        "pad" => match text(0)? {
            "" => Value::from(""),
            inner => {
                Value::from(format!("{}{inner}{}", " ".repeat(number(1)?.min(4096)), " ".repeat(number(2)?.min(4096))))
            }
        },
        "len" => Value::from(length(any(0)?)?),
        "index" => index(any(0)?, &arguments[1..])?.clone(),
        "slice" => slice(
            any(0)?,
            arguments.get(1).map(|_| number(1)).transpose()?,
            arguments.get(2).map(|_| number(2)).transpose()?,
        )?,
        "print" => Value::from(arguments.iter().map(print::plain).collect::<String>()),
        "println" => Value::from(arguments.iter().map(print::plain).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => Value::from(printf::printf(text(0)?, &arguments[1..])),
        "and" | "or" => arguments.last().cloned().ok_or_else(|| wrong(name, "wrong number of arguments".to_owned()))?,
        "not" => Value::from(!is_true(any(0)?)),
        "eq" => Value::from(arguments[1..].iter().any(|other| compare(&arguments[0], other) == Some(Ordering::Equal))),
        "ne" => Value::from(compare(any(0)?, any(1)?) != Some(Ordering::Equal)),
        "lt" => Value::from(compare(any(0)?, any(1)?) == Some(Ordering::Less)),
        "le" => Value::from(matches!(compare(any(0)?, any(1)?), Some(Ordering::Less | Ordering::Equal))),
        "gt" => Value::from(compare(any(0)?, any(1)?) == Some(Ordering::Greater)),
        "ge" => Value::from(matches!(compare(any(0)?, any(1)?), Some(Ordering::Greater | Ordering::Equal))),
        _ => return Err(FormatError::UnknownFunction { name: name.to_owned() }),
    })
}

/// JSON on one line; unlike in Go's default, `<`, `>` and `&` stay, as docker sets it.
fn to_json(value: &Value) -> String {
    value.to_string()
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for c in text.chars() {
        if at_start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        at_start = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn join(items: &Value, separator: &str) -> String {
    match items {
        Value::Array(items) => items.iter().map(print::plain).collect::<Vec<_>>().join(separator),
        Value::Null => String::new(),
        other => print::plain(other),
    }
}

fn length(value: &Value) -> Result<usize, FormatError> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(fields) => Ok(fields.len()),
        other => Err(wrong("len", format!("{} has no length", print::plain(other)))),
    }
}

fn index<'a>(value: &'a Value, keys: &[Value]) -> Result<&'a Value, FormatError> {
    let Some((key, rest)) = keys.split_first() else { return Ok(value) };
    let found = match (value, key) {
        (Value::Object(fields), Value::String(key)) => fields.get(key).unwrap_or(&Value::Null),
        (Value::Array(items), Value::Number(at)) => {
            let found = at.as_u64().and_then(|at| items.get(at as usize));
            found.ok_or_else(|| wrong("index", format!("index {at} out of range")))?
        }
        (Value::Null, _) => return Err(wrong("index", "index of nothing".to_owned())),
        _ => return Err(wrong("index", format!("can't index {} by {}", print::plain(value), print::plain(key)))),
    };
    index(found, rest)
}

fn slice(value: &Value, start: Option<usize>, end: Option<usize>) -> Result<Value, FormatError> {
    let start = start.unwrap_or(0);
    let range = start..end.unwrap_or(length(value)?);
    let out_of_range = || wrong("slice", "out of range".to_owned());
    match value {
        Value::String(text) => text.get(range).map(Value::from).ok_or_else(out_of_range),
        Value::Array(items) => items.get(range).map(|items| Value::from(items.to_vec())).ok_or_else(out_of_range),
        other => Err(wrong("slice", format!("can't slice {}", print::plain(other)))),
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ if a == b => Some(Ordering::Equal),
        _ => None,
    }
}
