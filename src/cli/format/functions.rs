//! The functions of Go's text/template and those that docker adds.

use serde_json::Value;

use super::print::type_name;
use super::structs::Struct;
use super::{compare, escape, eval::is_true, print, printf};

/// The kind of a parameter. Only docker's functions restrict it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Any,
    Text,
    Texts,
    Whole,
}
use Kind::{Any, Text, Texts, Whole};

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Any => "interface {}",
            Text => "string",
            Texts => "[]string",
            Whole => "int",
        }
    }
}

/// A function's parameters, and whether it takes any number of further ones.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    pub fixed: &'static [Kind],
    pub is_open: bool,
}

impl Parameters {
    pub fn at(&self, position: usize) -> Kind {
        self.fixed.get(position).copied().unwrap_or(Any)
    }
}

const fn exactly(fixed: &'static [Kind]) -> Parameters {
    Parameters { fixed, is_open: false }
}

const fn at_least(fixed: &'static [Kind]) -> Parameters {
    Parameters { fixed, is_open: true }
}

const FUNCTIONS: [(&str, Parameters); 27] = [
    ("and", at_least(&[Any])),
    ("call", at_least(&[Any])),
    ("eq", at_least(&[Any])),
    ("ge", exactly(&[Any, Any])),
    ("gt", exactly(&[Any, Any])),
    ("html", at_least(&[])),
    ("index", at_least(&[Any])),
    ("join", exactly(&[Texts, Text])),
    ("js", at_least(&[])),
    ("json", exactly(&[Any])),
    ("le", exactly(&[Any, Any])),
    ("len", exactly(&[Any])),
    ("lower", exactly(&[Text])),
    ("lt", exactly(&[Any, Any])),
    ("ne", exactly(&[Any, Any])),
    ("not", exactly(&[Any])),
    ("or", at_least(&[Any])),
    ("pad", exactly(&[Text, Whole, Whole])),
    ("print", at_least(&[])),
    ("printf", at_least(&[Text])),
    ("println", at_least(&[])),
    ("slice", at_least(&[Any])),
    ("split", exactly(&[Text, Text])),
    ("title", exactly(&[Text])),
    ("truncate", exactly(&[Text, Whole])),
    ("upper", exactly(&[Text])),
    ("urlquery", at_least(&[])),
];

/// The limit for padding.
const WIDEST: usize = 4096;

/// The error is Go's message.
type Result<T> = std::result::Result<T, String>;

pub fn is_known(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, _)| *known == name)
}

/// The parameters of a known function.
pub fn parameters(name: &str) -> Parameters {
    let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
    known.map_or(at_least(&[]), |(_, parameters)| *parameters)
}

/// The result of a known function, for arguments that match its parameters.
pub fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    let text = |at: usize| arguments[at].as_str().unwrap_or_default();
    let number = |at: usize| whole(&arguments[at]).and_then(|value| usize::try_from(value).ok());
    let blanks =
        |at: usize| number(at).map(|count| " ".repeat(count.min(WIDEST))).ok_or("strings: negative Repeat count");
    Ok(match name {
        "call" if arguments[0].is_null() => return Err("call of nil".to_owned()),
        "call" => return Err(format!("non-function of type {}", type_name(&arguments[0]))),
        // Unlike Go's default, docker does not escape `<`, `>` and `&`.
        "json" => Value::from(arguments[0].to_string()),
        "upper" => Value::from(text(0).to_uppercase()),
        "lower" => Value::from(text(0).to_lowercase()),
        "title" => Value::from(title(text(0))),
        "split" => split(text(0), text(1)),
        "join" => Value::from(join(&arguments[0], text(1))),
        "truncate" => Value::from(truncate(text(0), number(1).ok_or("slice bounds out of range")?)),
        "pad" if text(0).is_empty() => Value::from(""),
        "pad" => Value::from(format!("{}{}{}", blanks(1)?, text(0), blanks(2)?)),
        "len" => Value::from(length(&arguments[0])?),
        "index" => index(&arguments[0], &arguments[1..])?,
        "slice" => slice(&arguments[0], &arguments[1..])?,
        "print" => Value::from(print::together(arguments)),
        "println" => Value::from(arguments.iter().map(print::plain).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => Value::from(printf::printf(text(0), &arguments[1..])),
        "html" => Value::from(escape::html(&print::together(arguments))),
        "js" => Value::from(escape::js(&print::together(arguments))),
        "urlquery" => Value::from(escape::url_query(&print::together(arguments))),
        // The evaluation of the arguments has already stopped at the deciding one.
        "and" | "or" => arguments.last().cloned().unwrap_or_default(),
        "not" => Value::from(!is_true(&arguments[0])),
        "eq" => Value::from(compare::is_any(&arguments[0], &arguments[1..])?),
        "ne" => Value::from(!compare::is_any(&arguments[0], &arguments[1..])?),
        _ => Value::from(compare::is_ordered(name, &arguments[0], &arguments[1])?),
    })
}

/// The number as an integer, however it is written.
pub fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < i64::MAX as f64);
    value.as_i64().or_else(|| float().map(|float| float as i64))
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

fn join(items: &Value, separator: &str) -> String {
    let words: Vec<&str> = items.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(separator)
}

/// At most this many bytes, without a partial character.
fn truncate(text: &str, length: usize) -> &str {
    let length = (0..=length.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..length.unwrap_or(0)]
}

fn length(value: &Value) -> Result<usize> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(fields) if Struct::of(fields).is_none() => Ok(fields.len()),
        Value::Null => Err("len of nil pointer".to_owned()),
        other => Err(format!("len of type {}", type_name(other))),
    }
}

fn index(value: &Value, keys: &[Value]) -> Result<Value> {
    let Some((key, rest)) = keys.split_first() else { return Ok(value.clone()) };
    match (value, key) {
        (Value::Object(fields), _) if Struct::of(fields).is_some() => {
            Err(format!("can't index item of type {}", type_name(value)))
        }
        (Value::Object(fields), Value::String(key)) => match fields.get(key) {
            Some(found) => index(found, rest),
            None => index(&nothing_like(fields), rest),
        },
        (Value::Object(_), Value::Null) => Err("value is nil; should be of type string".to_owned()),
        (Value::Object(_), key) => Err(format!("value has type {}; should be string", type_name(key))),
        (Value::Array(items), key) => {
            let out_of_range = "reflect: slice index out of range";
            index(items.get(position(key, items.len())?).ok_or(out_of_range)?, rest)
        }
        (Value::String(text), key) => {
            let out_of_range = "reflect: string index out of range";
            let byte = text.as_bytes().get(position(key, text.len())?).ok_or(out_of_range)?;
            index(&Value::from(*byte), rest)
        }
        (Value::Null, _) => Err("index of nil pointer".to_owned()),
        (other, _) => Err(format!("can't index item of type {}", type_name(other))),
    }
}

/// An index or end of something of this length.
fn position(key: &Value, length: usize) -> Result<usize> {
    let Some(at) = key.as_i64() else {
        let kind = if key.is_null() { "nil".to_owned() } else { format!("type {}", type_name(key)) };
        return Err(format!("cannot index slice/array with {kind}"));
    };
    let position = usize::try_from(at).ok().filter(|at| *at <= length);
    position.ok_or_else(|| format!("index out of range: {at}"))
}

/// A map's value for a missing key: the zero value of its values' type.
fn nothing_like(fields: &serde_json::Map<String, Value>) -> Value {
    match fields.values().next() {
        None | Some(Value::String(_)) => Value::from(""),
        Some(Value::Array(_)) => Value::Array(Vec::new()),
        Some(Value::Bool(_)) => Value::from(false),
        Some(Value::Number(_)) => Value::from(0),
        Some(Value::Null | Value::Object(_)) => Value::Null,
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value> {
    let length = match value {
        Value::String(_) if bounds.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Null => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", type_name(other))),
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let bounds = bounds.iter().map(|bound| position(bound, length)).collect::<Result<Vec<_>>>()?;
    let start = bounds.first().copied().unwrap_or(0);
    let end = bounds.get(1).copied().unwrap_or(length);
    // The third one would limit the capacity, which does not exist here.
    for (low, high) in [(start, end), (end, bounds.get(2).copied().unwrap_or(end))] {
        if low > high {
            return Err(format!("invalid slice index: {low} > {high}"));
        }
    }
    Ok(match value {
        Value::Array(items) => Value::from(items[start..end].to_vec()),
        other => {
            let bytes = other.as_str().unwrap_or_default().as_bytes();
            Value::from(String::from_utf8_lossy(&bytes[start..end]))
        }
    })
}
