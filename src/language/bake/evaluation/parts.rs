//! Parts of values: attributes and elements.

use super::Evaluated;
use crate::language::bake::error::Diagnostic;
use crate::language::bake::syntax::{Span, Step};
use crate::language::bake::value::{Type, Value, convert};

/// Applies all steps.
pub(super) fn follow(value: &Value, steps: &[Step]) -> Evaluated {
    let Some((first, rest)) = steps.split_first() else { return Ok(value.clone()) };
    let part = match first {
        Step::Attribute { name, span } => attribute(value, name, *span)?,
        Step::Index { key, span } => index(value, key, *span)?,
    };
    follow(&part, rest)
}

fn attribute(value: &Value, name: &str, span: Span) -> Evaluated {
    const UNSUPPORTED: &str = "Unsupported attribute";
    let no = |detail: String| Err(Diagnostic::new(span, UNSUPPORTED, detail));
    match value {
        Value::Null(_) => Err(Diagnostic::new(
            span,
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.",
        )),
        Value::Object(entries) => match entries.get(name) {
            Some(value) => Ok(value.clone()),
            None => {
                let known: Vec<&str> = entries.keys().map(String::as_str).collect();
                no(format!("This object does not have an attribute named {name:?}.{}", super::near(name, &known)))
            }
        },
        Value::Map(_, entries) => entries.get(name).cloned().ok_or_else(|| {
            let detail = format!("This map does not have an element with the key {name:?}.");
            Diagnostic::new(span, "Missing map element", detail)
        }),
        Value::List(Type::Object(_), _) => no(
            "Can't access attributes on a list of objects. Did you mean to access an attribute for a specific element \
             of the list, or across all elements of the list?"
                .to_owned(),
        ),
        Value::Set(Type::Object(_), _) => no(
            "Can't access attributes on a set of objects. Did you mean to access an attribute across all elements of \
             the set?"
                .to_owned(),
        ),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            no(format!("Can't access attributes on a primitive-typed value ({}).", value.kind().name()))
        }
        _ => no("This value does not have any attributes.".to_owned()),
    }
}

pub(super) fn index(collection: &Value, key: &Value, span: Span) -> Evaluated {
    const SUMMARY: &str = "Invalid index";
    const NO_ELEMENT: &str = "The given key does not identify an element in this collection value";
    let no = |detail: String| Err(Diagnostic::new(span, SUMMARY, detail));
    if collection.is_null() {
        let detail = "This value is null, so it does not have any indices.";
        return Err(Diagnostic::new(span, "Attempt to index null value", detail));
    }
    if key.is_null() {
        return no("Can't use a null value as an indexing key.".to_owned());
    }
    let as_kind = |kind: &Type| {
        convert(key, kind).map_err(|error| Diagnostic::new(span, SUMMARY, format!("{NO_ELEMENT}: {error}.")))
    };
    match collection {
        Value::List(_, elements) | Value::Tuple(elements) => {
            let Value::Number(number) = as_kind(&Type::Number)? else { return no(format!("{NO_ELEMENT}.")) };
            let found = number.to_i64().and_then(|index| usize::try_from(index).ok());
            if let Some(value) = found.and_then(|index| elements.get(index)) {
                return Ok(value.clone());
            }
            let why = if !number.is_integer() {
                "indexing a sequence requires a whole number, but the given index has a fractional part"
            } else if number.is_negative() {
                "a negative number is not a valid index for a sequence"
            } else if elements.is_empty() {
                "the collection has no elements"
            } else {
                "the given index is greater than or equal to the length of the collection"
            };
            no(format!("{NO_ELEMENT}: {why}."))
        }
        Value::Map(_, entries) | Value::Object(entries) => {
            let key = as_kind(&Type::String)?;
            match entries.get(key.as_text().unwrap_or_default()) {
                Some(value) => Ok(value.clone()),
                None => no(format!("{NO_ELEMENT}.")),
            }
        }
        Value::Set(..) => no(
            "Elements of a set are identified only by their value and don't have any separate index or key to select \
             with, so it's only possible to perform operations across all elements of the set."
                .to_owned(),
        ),
        _ => no("This value does not have any indices.".to_owned()),
    }
}
