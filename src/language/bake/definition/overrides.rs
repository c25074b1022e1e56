//! Values of variables that come from the environment or the command line.

use std::collections::BTreeMap;

use super::{Failure, Resolved};
use crate::language::bake::entries::parse_bool;
use crate::language::bake::functions::fields;
use crate::language::bake::value::{Number, Type, Value, from_json_as};

/// Whether values of the type are given as comma-separated values.
pub(super) fn is_list_of_values(kind: &Type) -> bool {
    matches!(kind, Type::List(_) | Type::Set(_) | Type::Tuple(_) | Type::Map(_))
}

fn failed<T>(reason: String) -> Resolved<T> {
    Err(Failure::Reason(reason))
}

pub(super) fn from_json(name: &str, text: &str, kind: &Type) -> Resolved<Value> {
    from_json_as(text, kind)
        .map_err(|error| Failure::Reason(format!("failed to convert variable {name} from JSON: {error}")))
}

pub(super) fn primitive(name: &str, text: &str, kind: &Type) -> Resolved<Value> {
    match kind {
        Type::String => Ok(Value::text(text)),
        Type::Bool => match parse_bool(text) {
            Some(value) => Ok(Value::Bool(value)),
            None => failed(format!("failed to parse {name} as bool: {text:?} is not a bool")),
        },
        Type::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            match number.and_then(|number| Number::machine(number).ok()) {
                Some(number) => Ok(Value::Number(number)),
                None => failed(format!("failed to parse {name} as number: {text:?} is not a number")),
            }
        }
        other => failed(format!("{name} of type {} is not a primitive", other.name())),
    }
}

pub(super) fn from_csv(name: &str, text: &str, kind: &Type) -> Resolved<Value> {
    let unsupported = || failed(format!("unsupported type {} for CSV specification", kind.name()));
    let values = fields(text, ',').map_err(|error| {
        Failure::Reason(format!("failed to convert variable {name} from CSV: failed to parse {text} as CSV: {error}"))
    })?;
    let each = |element: &Type| -> Resolved<Vec<Value>> {
        values.iter().map(|value| primitive(name, value, element)).collect()
    };
    match kind {
        Type::List(element) if element.is_primitive() => Ok(Value::List((**element).clone(), each(element)?)),
        Type::Set(element) if element.is_primitive() => Ok(Value::set((**element).clone(), each(element)?)),
        Type::Tuple(elements) => {
            if elements.len() != values.len() {
                let (wanted, given) = (elements.len(), values.len());
                return failed(format!("tuple expects {wanted} elements but only {given} provided"));
            }
            if elements.iter().any(|element| !element.is_primitive()) {
                return unsupported();
            }
            let pairs = elements.iter().zip(&values);
            pairs.map(|(element, value)| primitive(name, value, element)).collect::<Resolved<_>>().map(Value::Tuple)
        }
        Type::Map(element) if element.is_primitive() => {
            let mut entries = BTreeMap::new();
            for value in &values {
                let pair = fields(value, ':').map_err(|error| {
                    Failure::Reason(format!("failed to parse {value} as k/v for variable {name}: {error}"))
                })?;
                let [key, content] = pair.as_slice() else {
                    return failed(format!("expected one k/v pair but got {} pieces from {value}", pair.len()));
                };
                entries.insert(key.clone(), primitive(name, content, element)?);
            }
            Ok(Value::Map((**element).clone(), entries))
        }
        _ => unsupported(),
    }
}
