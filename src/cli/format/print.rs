//! Prints values like Go's fmt with `%v`.

use serde_json::{Map, Number, Value};

use super::structs::Struct;

pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => self::number(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(element).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) if is_structure(fields) => match Struct::of(fields) {
            Some(known) => known.printed(fields),
            None => format!("{{{}}}", fields.values().map(plain).collect::<Vec<_>>().join(" ")),
        },
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            let fields: Vec<String> =
                fields.into_iter().map(|(key, value)| format!("{key}:{}", element(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// All values, with a blank between two that are not strings.
pub fn together(values: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 && !value.is_string() && !values[at - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&plain(value));
    }
    out
}

/// In a list or a map, an empty object is a Go struct without fields, as in `map[80/tcp:{}]`.
fn element(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        other => plain(other),
    }
}

/// Go's name for the type of the value; without a struct's fields.
pub fn type_name(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() => "float64".to_owned(),
        Value::Number(_) => "int".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => format!("[]{}", items.first().map_or_else(|| "string".to_owned(), type_name)),
        Value::Object(fields) if is_structure(fields) => {
            Struct::of(fields).map_or_else(|| "struct".to_owned(), |known| known.type_name(fields))
        }
        Value::Object(fields) => {
            let element = fields.values().next().map_or_else(|| "string".to_owned(), type_name);
            format!("map[string]{element}")
        }
    }
}

/// Distinguishes docker's structs from its maps, which JSON does not: the fields of a struct have exported Go names,
/// which the keys of docker's maps hardly ever are.
fn is_structure(fields: &Map<String, Value>) -> bool {
    let is_exported = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    !fields.is_empty() && fields.keys().all(is_exported)
}

fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => general(float),
        _ => number.to_string(),
    }
}

/// From this exponent on, exponents are written.
const GENERAL_LIMIT: i32 = 6;

/// Go's `%g`, with as few digits as identify the number.
pub fn general(float: f64) -> String {
    let scientific = format!("{float:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
    if !(-4..GENERAL_LIMIT).contains(&exponent) { with_exponent(&scientific) } else { float.to_string() }
}

/// Go writes an exponent with its sign and at least two digits.
pub fn with_exponent(scientific: &str) -> String {
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific.to_owned() };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}
