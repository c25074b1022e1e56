//! Conversion of values to other types.

use std::collections::BTreeMap;

use super::types::{common_element, mismatch, unify};
use super::{Number, Type, Value};

/// Why a value can't be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConversionError {
    pub message: String,
}

/// Converts a value to the type.
///
/// # Errors
/// If there is no conversion between the types, or if it fails for this value.
pub fn convert(value: &Value, wanted: &Type) -> Result<Value, ConversionError> {
    let kind = value.kind();
    if kind == *wanted || *wanted == Type::Dynamic {
        return Ok(value.clone());
    }
    if !kind.converts_to(wanted, true) {
        return Err(error(mismatch(&kind, wanted)));
    }
    apply(value, wanted)
}

fn error(message: impl Into<String>) -> ConversionError {
    ConversionError { message: message.into() }
}

fn apply(value: &Value, wanted: &Type) -> Result<Value, ConversionError> {
    match (value, wanted) {
        (_, Type::Dynamic) => Ok(value.clone()),
        (Value::Null(kind), _) => {
            Ok(Value::Null(if wanted.element() == Some(&Type::Dynamic) && kind.is_collection() {
                kind.clone()
            } else {
                wanted.of_values()
            }))
        }
        (Value::Number(number), Type::String) => Ok(Value::String(number.text())),
        (Value::Bool(value), Type::String) => Ok(Value::String(value.to_string())),
        (Value::String(text), Type::Number) => {
            Number::parse(text).map(Value::Number).ok_or_else(|| error("a number is required"))
        }
        (Value::String(text), Type::Bool) => to_bool(text),
        (Value::Object(from), Type::Object(to)) => {
            let mut attributes = BTreeMap::new();
            for (name, wanted) in &to.attributes {
                let value = match from.get(name) {
                    Some(value) => convert(value, wanted)?,
                    None => Value::Null(wanted.of_values()),
                };
                attributes.insert(name.clone(), value);
            }
            Ok(Value::Object(attributes))
        }
        (Value::Tuple(from), Type::Tuple(to)) => {
            let elements = from.iter().zip(to).map(|(value, wanted)| convert(value, wanted));
            Ok(Value::Tuple(elements.collect::<Result<_, _>>()?))
        }
        (Value::List(..) | Value::Set(..) | Value::Tuple(_), Type::List(element)) => {
            let (kind, elements) = of_one_type(value.elements().unwrap_or_default(), element)?;
            Ok(Value::List(kind, elements))
        }
        (Value::List(..) | Value::Set(..) | Value::Tuple(_), Type::Set(element)) => {
            let (kind, elements) = of_one_type(value.elements().unwrap_or_default(), element)?;
            Ok(Value::set(kind, elements))
        }
        (Value::Map(_, entries) | Value::Object(entries), Type::Map(element)) => {
            let values: Vec<Value> = entries.values().cloned().collect();
            let (kind, values) = of_one_type(&values, element)?;
            Ok(Value::Map(kind, entries.keys().cloned().zip(values).collect()))
        }
        (Value::Map(_, entries), Type::Object(to)) => {
            let mut attributes = BTreeMap::new();
            for (name, wanted) in &to.attributes {
                let value = match entries.get(name) {
                    Some(value) => convert(value, wanted)?,
                    None if to.optional.contains(name) => Value::Null(wanted.of_values()),
                    None => return Err(error(format!("map has no element for required attribute {name:?}"))),
                };
                attributes.insert(name.clone(), value);
            }
            Ok(Value::Object(attributes))
        }
        _ => Err(error(mismatch(&value.kind(), wanted))),
    }
}

/// The elements as values of one type: the given one, or, for any, one that fits all.
fn of_one_type(values: &[Value], wanted: &Type) -> Result<(Type, Vec<Value>), ConversionError> {
    let kinds: Vec<Type> = values.iter().map(Value::kind).collect();
    let Some(common) = common_element(kinds.iter(), wanted, true) else {
        return Err(error("all elements must have the same type"));
    };
    let elements = values.iter().map(|value| convert(value, &common)).collect::<Result<Vec<_>, _>>()?;
    let made: Vec<Type> = elements.iter().map(Value::kind).collect();
    // Elements of an open type, such as list(any), may have got different types.
    let Some(kind) = (if made.is_empty() { Some(common.of_values()) } else { unify(&made, true) }) else {
        return Err(error("cannot find a common base type for all elements"));
    };
    let elements = elements.iter().map(|value| convert(value, &kind)).collect::<Result<Vec<_>, _>>()?;
    Ok((kind, elements))
}

fn to_bool(text: &str) -> Result<Value, ConversionError> {
    match text {
        "true" | "1" => Ok(Value::Bool(true)),
        "false" | "0" => Ok(Value::Bool(false)),
        _ => match text.to_lowercase().as_str() {
            word @ ("true" | "false") => {
                Err(error(format!("a bool is required; to convert from string, use lowercase {word:?}")))
            }
            _ => Err(error("a bool is required")),
        },
    }
}
