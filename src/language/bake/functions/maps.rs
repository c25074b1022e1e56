//! Functions on maps and objects.

use std::collections::BTreeMap;

use super::{Failure, Function, Outcome, Wanted, function, nullable, parameter, text_of, variadic};
use crate::language::bake::value::{Type, Value, convert};

pub(super) const FUNCTIONS: &[Function] = &[
    function("keys", &[parameter("inputMap", Wanted::Any)], keys),
    function(
        "lookup",
        &[parameter("inputMap", Wanted::Any), parameter("key", Wanted::Text), parameter("default", Wanted::Any)],
        lookup,
    ),
    variadic("merge", &[], nullable("maps"), merge),
    function("values", &[parameter("mapping", Wanted::Any)], values),
    function("zipmap", &[parameter("keys", Wanted::Texts), parameter("values", Wanted::Any)], zipmap),
];

fn keys(all: &[Value]) -> Outcome {
    let texts = |entries: &BTreeMap<String, Value>| entries.keys().cloned().map(Value::String).collect();
    match &all[0] {
        Value::Map(_, entries) => Ok(Value::List(Type::String, texts(entries))),
        Value::Object(entries) => Ok(Value::Tuple(texts(entries))),
        _ => Err(Failure::argument(0, "must have map or object type")),
    }
}

fn lookup(all: &[Value]) -> Outcome {
    let (key, default) = (text_of(all, 1), &all[2]);
    match &all[0] {
        Value::Object(entries) => Ok(entries.get(key).unwrap_or(default).clone()),
        Value::Map(kind, entries) => {
            let default = convert(default, kind)
                .map_err(|_| Failure::argument(2, "the default value must have the same type as the map elements"))?;
            Ok(entries.get(key).cloned().unwrap_or(default))
        }
        _ => Err(Failure::argument(0, "lookup() requires a map as the first argument")),
    }
}

fn merge(all: &[Value]) -> Outcome {
    let kinds: Vec<Type> = all.iter().map(Value::kind).collect();
    if kinds.contains(&Type::Dynamic) {
        // Untyped nulls: the result is an object.
    } else if let Some(wrong) = kinds.iter().find(|kind| !matches!(kind, Type::Map(_) | Type::Object(_))) {
        return Err(Failure::new(format!("arguments must be maps or objects, got {:?}", wrong.name())));
    }
    let mut merged = BTreeMap::new();
    for value in all {
        match value {
            Value::Null(_) => {}
            _ => match value.entries() {
                Some(entries) => merged.extend(entries.clone()),
                None => {
                    let kind = value.kind().name();
                    return Err(Failure::new(format!("arguments must be maps or objects, got {kind:?}")));
                }
            },
        }
    }
    match kinds.first() {
        Some(Type::Map(element)) if kinds.iter().all(|kind| *kind == kinds[0]) => {
            Ok(Value::Map((**element).clone(), merged))
        }
        _ => Ok(Value::Object(merged)),
    }
}

fn values(all: &[Value]) -> Outcome {
    match &all[0] {
        Value::Map(kind, entries) => Ok(Value::List(kind.clone(), entries.values().cloned().collect())),
        Value::Object(entries) => Ok(Value::Tuple(entries.values().cloned().collect())),
        _ => Err(Failure::new("values() requires a map as the first argument")),
    }
}

fn zipmap(all: &[Value]) -> Outcome {
    let keys = all[0].elements().unwrap_or_default();
    let (Value::List(_, values) | Value::Tuple(values)) = &all[1] else {
        return Err(Failure::new("values argument must be a list or tuple value"));
    };
    if keys.len() != values.len() {
        let (keys, values) = (keys.len(), values.len());
        return Err(Failure::new(format!("number of keys ({keys}) does not match number of values ({values})")));
    }
    let mut zipped = BTreeMap::new();
    for (index, (key, value)) in keys.iter().zip(values).enumerate() {
        let Some(key) = key.as_text() else {
            return Err(Failure::new(format!("keys list has null value at index {index}")));
        };
        zipped.insert(key.to_owned(), value.clone());
    }
    Ok(match &all[1] {
        Value::List(kind, _) => Value::Map(kind.clone(), zipped),
        _ => Value::Object(zipped),
    })
}
