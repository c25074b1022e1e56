//! Go's `eq`, `ne`, `lt`, `le`, `gt` and `ge`, which only compare values of the same kind.

use std::cmp::Ordering;

use serde_json::Value;

use super::print::{plain, type_name};

const INCOMPATIBLE: &str = "incompatible types for comparison";

/// Whether one of `others` is equal to `value`.
pub fn is_any(value: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if is_equal(value, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `lt`, `le`, `gt` and `ge`.
pub fn is_ordered(function: &str, value: &Value, other: &Value) -> Result<bool, String> {
    if [value, other].iter().any(|value| !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))) {
        return Err("invalid type for comparison".to_owned());
    }
    let order = match (value, other) {
        (Value::Bool(_), Value::Bool(_)) => return Err("invalid type for comparison".to_owned()),
        _ => order(value, other).ok_or(INCOMPATIBLE)?,
    };
    Ok(match function {
        "lt" => order == Ordering::Less,
        "le" => order != Ordering::Greater,
        "gt" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn is_equal(value: &Value, other: &Value) -> Result<bool, String> {
    match (value, other) {
        (Value::Bool(value), Value::Bool(other)) => Ok(value == other),
        (Value::Null, _) | (_, Value::Null) => Ok(value == other),
        (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
            Err(format!("non-comparable type {}: {}", plain(other), type_name(other)))
        }
        _ => order(value, other).map(Ordering::is_eq).ok_or_else(|| INCOMPATIBLE.to_owned()),
    }
}

/// `None` for values of different kinds; integers and other numbers differ.
fn order(value: &Value, other: &Value) -> Option<Ordering> {
    match (value, other) {
        (Value::String(value), Value::String(other)) => Some(value.cmp(other)),
        (Value::Number(one), Value::Number(two)) if one.is_f64() == two.is_f64() => {
            match (one.as_i128(), two.as_i128()) {
                (Some(one), Some(two)) => Some(one.cmp(&two)),
                _ => one.as_f64().partial_cmp(&two.as_f64()),
            }
        }
        _ => None,
    }
}
