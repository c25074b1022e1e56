//! The functions of Go's text/template and those that docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::{is_true, wrong};
use super::{FormatError, escape, print, printf};

/// What there is, with the least and the most arguments that each takes.
const FUNCTIONS: [(&str, usize, usize); 26] = [
    ("and", 1, MANY),
    ("eq", 1, MANY),
    ("ge", 2, 2),
    ("gt", 2, 2),
    ("html", 0, MANY),
    ("index", 1, MANY),
    ("join", 2, 2),
    ("js", 0, MANY),
    ("json", 1, 1),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lower", 1, 1),
    ("lt", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, MANY),
    ("pad", 3, 3),
    ("print", 0, MANY),
    ("printf", 1, MANY),
    ("println", 0, MANY),
    ("slice", 1, 4),
    ("split", 2, 2),
    ("title", 1, 1),
    ("truncate", 2, 2),
    ("upper", 1, 1),
    ("urlquery", 0, MANY),
];
const MANY: usize = usize::MAX;

/// No padding is wider.
const WIDEST: usize = 4096;

pub fn is_known(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, ..)| *known == name)
}

pub fn call(name: &str, arguments: &[Value]) -> Result<Value, FormatError> {
    let unknown = || FormatError::UnknownFunction { name: name.to_owned() };
    let (_, least, most) = FUNCTIONS.iter().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
    if arguments.len() < *least || arguments.len() > *most {
        return Err(wrong(name, format!("wrong number of arguments: {}", arguments.len())));
    }
    let text = |at: usize| -> Result<&str, FormatError> {
        arguments[at].as_str().ok_or_else(|| wrong(name, format!("argument {} is no string", at + 1)))
    };
    let number = |at: usize| -> Result<usize, FormatError> {
        let value = arguments[at].as_u64();
        value.map(|value| value as usize).ok_or_else(|| wrong(name, format!("argument {} is no number", at + 1)))
    };
    let blanks = |at: usize| Ok::<_, FormatError>(" ".repeat(number(at)?.min(WIDEST)));
    Ok(match name {
        "json" => Value::from(to_json(&arguments[0])),
        "upper" => Value::from(text(0)?.to_uppercase()),
        "lower" => Value::from(text(0)?.to_lowercase()),
        "title" => Value::from(title(text(0)?)),
        "split" => split(text(0)?, text(1)?),
        "join" => Value::from(join(&arguments[0], text(1)?)?),
        "truncate" => Value::from(truncate(text(0)?, number(1)?)),
        "pad" if text(0)?.is_empty() => Value::from(""),
        "pad" => Value::from(format!("{}{}{}", blanks(1)?, text(0)?, blanks(2)?)),
        "len" => Value::from(length(&arguments[0])?),
        "index" => index(&arguments[0], &arguments[1..])?,
        "slice" => {
            let end = if arguments.len() > 2 { Some(number(2)?) } else { None };
            slice(&arguments[0], if arguments.len() > 1 { number(1)? } else { 0 }, end)?
        }
        "print" => Value::from(print::together(arguments)),
        "println" => Value::from(arguments.iter().map(print::plain).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => Value::from(printf::printf(text(0)?, &arguments[1..])),
        "html" => Value::from(escape::html(&print::together(arguments))),
        "js" => Value::from(escape::js(&print::together(arguments))),
        "urlquery" => Value::from(escape::url_query(&print::together(arguments))),
        // What decides is taken before, by who evaluates the arguments.
        "and" | "or" => arguments.last().cloned().unwrap_or_default(),
        "not" => Value::from(!is_true(&arguments[0])),
        "eq" if arguments.len() < 2 => return Err(wrong(name, "missing argument for comparison".to_owned())),
        "eq" => {
            let mut is_any = false;
            for other in &arguments[1..] {
                is_any |= is_equal(name, &arguments[0], other)?;
            }
            Value::from(is_any)
        }
        "ne" => Value::from(!is_equal(name, &arguments[0], &arguments[1])?),
        _ => {
            let order = order(name, &arguments[0], &arguments[1])?;
            Value::from(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
    })
}

/// JSON on one line; unlike in Go's default, `<`, `>` and `&` stay, as docker sets it. A row's `Label` is a method.
fn to_json(value: &Value) -> String {
    match value.as_object() {
        Some(fields) if fields.get("Label").is_some_and(Value::is_object) && fields.contains_key("Labels") => {
            let mut fields = fields.clone();
            fields.shift_remove("Label");
            Value::Object(fields).to_string()
        }
        _ => value.to_string(),
    }
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
        at_start = if c.is_ascii() { !(c.is_ascii_alphanumeric() || c == '_') } else { c.is_whitespace() };
    }
    out
}

fn split(text: &str, separator: &str) -> Value {
    match separator {
        "" => text.chars().map(|c| Value::from(c.to_string())).collect(),
        separator => text.split(separator).map(Value::from).collect(),
    }
}

fn join(items: &Value, separator: &str) -> Result<String, FormatError> {
    let no_list = || wrong("join", format!("{} is no list of strings", print::plain(items)));
    match items {
        Value::Array(items) => {
            let words = items.iter().map(|item| item.as_str().ok_or_else(no_list));
            Ok(words.collect::<Result<Vec<_>, _>>()?.join(separator))
        }
        Value::Null => Ok(String::new()),
        _ => Err(no_list()),
    }
}

/// So many bytes at the most, and no half character.
fn truncate(text: &str, length: usize) -> &str {
    let length = (0..=length.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..length.unwrap_or(0)]
}

fn length(value: &Value) -> Result<usize, FormatError> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(fields) => Ok(fields.len()),
        other => Err(wrong("len", format!("{} has no length", print::plain(other)))),
    }
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, FormatError> {
    let Some((key, rest)) = keys.split_first() else { return Ok(value.clone()) };
    let out_of_range = || wrong("index", format!("index {} out of range", print::plain(key)));
    let at = || key.as_u64().and_then(|at| usize::try_from(at).ok()).ok_or_else(out_of_range);
    match (value, key) {
        (Value::Object(fields), Value::String(key)) => match fields.get(key) {
            Some(found) => index(found, rest),
            None => index(&nothing_like(fields), rest),
        },
        (Value::Array(items), Value::Number(_)) => index(items.get(at()?).ok_or_else(out_of_range)?, rest),
        (Value::String(text), Value::Number(_)) => {
            let byte = text.as_bytes().get(at()?).ok_or_else(out_of_range)?;
            index(&Value::from(*byte), rest)
        }
        (Value::Null, _) => Err(wrong("index", "index of nothing".to_owned())),
        _ => Err(wrong("index", format!("can't index {} by {}", print::plain(value), print::plain(key)))),
    }
}

/// What a map has for a key that it has not: its values are all of one type, whose zero it is.
fn nothing_like(fields: &serde_json::Map<String, Value>) -> Value {
    match fields.values().next() {
        None | Some(Value::String(_)) => Value::from(""),
        Some(Value::Array(_)) => Value::Array(Vec::new()),
        Some(Value::Bool(_)) => Value::from(false),
        Some(Value::Number(_)) => Value::from(0),
        Some(Value::Null | Value::Object(_)) => Value::Null,
    }
}

fn slice(value: &Value, start: usize, end: Option<usize>) -> Result<Value, FormatError> {
    let range = start..end.map_or_else(|| length(value), Ok)?;
    let out_of_range = || wrong("slice", "out of range".to_owned());
    match value {
        Value::String(text) => text.get(range).map(Value::from).ok_or_else(out_of_range),
        Value::Array(items) => items.get(range).map(|items| Value::from(items.to_vec())).ok_or_else(out_of_range),
        other => Err(wrong("slice", format!("can't slice {}", print::plain(other)))),
    }
}

/// Go compares only what is of one kind.
fn is_equal(name: &str, a: &Value, b: &Value) -> Result<bool, FormatError> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Null, _) | (_, Value::Null) => Ok(a == b),
        _ => Ok(order(name, a, b)? == Ordering::Equal),
    }
}

fn order(name: &str, a: &Value, b: &Value) -> Result<Ordering, FormatError> {
    let incomparable = || wrong(name, format!("can't compare {} with {}", print::plain(a), print::plain(b)));
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(one), Value::Number(other)) if one.is_f64() == other.is_f64() => {
            let (one, other) = (one.as_i128(), other.as_i128());
            match (one, other) {
                (Some(one), Some(other)) => Ok(one.cmp(&other)),
                _ => a.as_f64().partial_cmp(&b.as_f64()).ok_or_else(incomparable),
            }
        }
        _ => Err(incomparable()),
    }
}
