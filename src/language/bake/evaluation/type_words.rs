//! Types as written in bake files: `string`, `list(number)`, `object({ a = optional(bool) })`.

use std::collections::{BTreeMap, BTreeSet};

use crate::language::bake::error::Diagnostic;
use crate::language::bake::syntax::{Expression, Span, parse_expression};
use crate::language::bake::value::{ObjectType, Type};

const SUMMARY: &str = "Invalid type specification";

fn wrong<T>(span: Span, detail: impl Into<String>) -> Result<T, Box<Diagnostic>> {
    Err(Diagnostic::new(span, SUMMARY, detail))
}

/// The type that an expression names.
///
/// # Errors
/// If it is not a type.
pub fn type_constraint(expression: &Expression) -> Result<Type, Box<Diagnostic>> {
    let span = expression.span();
    if let Expression::JsonText { text, .. } = expression {
        // In JSON a type is an expression in a string.
        let not_a_type = |_| Diagnostic::new(span, SUMMARY, format!("{text:?} is not a valid type specification."));
        return type_constraint(&parse_expression(text, Span { start: span.start + 1, ..span }).map_err(not_a_type)?);
    }
    if let Expression::Variable(traversal) = expression
        && traversal.steps.is_empty()
    {
        return keyword(&traversal.root, span);
    }
    let Expression::Call { name, arguments, .. } = expression else {
        return wrong(
            span,
            "A type specification is either a primitive type keyword (bool, number, string) or a complex type \
             constructor call, like list(string).",
        );
    };
    let needs = match name.as_str() {
        "bool" | "string" | "number" => {
            return wrong(span, format!("Primitive type keyword {name:?} does not expect arguments."));
        }
        "any" => return wrong(span, format!("Type constraint keyword {name:?} does not expect arguments.")),
        "list" | "set" | "map" => "specifying the element type",
        "object" => "specifying the attribute types and values as a map",
        "tuple" => "specifying the element types as a list",
        "optional" => {
            return wrong(span, "Keyword \"optional\" is valid only as a modifier for object type attributes.");
        }
        _ => return wrong(span, format!("Keyword {name:?} is not a valid type constructor.")),
    };
    let [argument] = arguments.as_slice() else {
        return wrong(span, format!("The {name} type constructor requires one argument {needs}."));
    };
    match name.as_str() {
        "list" => type_constraint(argument).map(Type::list),
        "set" => type_constraint(argument).map(Type::set),
        "map" => type_constraint(argument).map(Type::map),
        "object" => object(argument),
        _ => match argument.listed() {
            Some(elements) => elements.iter().map(type_constraint).collect::<Result<_, _>>().map(Type::Tuple),
            None => wrong(argument.span(), "Tuple type constructor requires a list of element types."),
        },
    }
}

fn keyword(word: &str, span: Span) -> Result<Type, Box<Diagnostic>> {
    match word {
        "bool" => Ok(Type::Bool),
        "string" => Ok(Type::String),
        "number" => Ok(Type::Number),
        "any" => Ok(Type::Dynamic),
        "list" | "map" | "set" => {
            wrong(span, format!("The {word} type constructor requires one argument specifying the element type."))
        }
        "object" => wrong(
            span,
            "The object type constructor requires one argument specifying the attribute types and values as a map.",
        ),
        "tuple" => {
            wrong(span, "The tuple type constructor requires one argument specifying the element types as a list.")
        }
        _ => {
            let known = ["bool", "string", "number", "any"];
            let hint = super::near(word, &known);
            wrong(span, format!("The keyword {word:?} is not a valid type specification.{hint}"))
        }
    }
}

fn object(argument: &Expression) -> Result<Type, Box<Diagnostic>> {
    let Expression::Object { items, .. } = argument else {
        return wrong(
            argument.span(),
            "Object type constructor requires a map whose keys are attribute names and whose values are the \
             corresponding attribute types.",
        );
    };
    let mut attributes = BTreeMap::new();
    let mut optional = BTreeSet::new();
    for (key, value) in items {
        let span = key.expression.span();
        let Some(name) = key.expression.keyword() else {
            return wrong(span, "Object constructor map keys must be attribute names.");
        };
        if attributes.contains_key(&name) {
            return wrong(span, "Object constructor map keys must be unique.");
        }
        let kind = match value {
            Expression::Call { name: word, arguments, .. } if word == "optional" => match arguments.as_slice() {
                [kind] => {
                    optional.insert(name.clone());
                    type_constraint(kind)?
                }
                [] => {
                    return wrong(
                        value.span(),
                        "Optional attribute modifier requires the attribute type as its argument.",
                    );
                }
                _ => {
                    return wrong(
                        value.span(),
                        "Optional attribute modifier expects only one argument: the attribute type.",
                    );
                }
            },
            other => type_constraint(other)?,
        };
        attributes.insert(name, kind);
    }
    Ok(Type::Object(ObjectType { attributes, optional }))
}

/// How the types of a conditional's branches differ.
pub(super) fn difference(yes: &Type, no: &Type) -> String {
    match (yes, no) {
        (Type::Object(yes), Type::Object(no)) => {
            for (name, kind) in &yes.attributes {
                match no.attributes.get(name) {
                    None => {
                        return format!(
                            "The 'true' value includes object attribute {name:?}, which is absent in the 'false' value"
                        );
                    }
                    Some(other) if other != kind => {
                        return format!("Type mismatch for object attribute {name:?}: {}", difference(kind, other));
                    }
                    Some(_) => {}
                }
            }
            let extra = no.attributes.keys().find(|name| !yes.attributes.contains_key(*name));
            if let Some(name) = extra {
                return format!(
                    "The 'false' value includes object attribute {name:?}, which is absent in the 'true' value"
                );
            }
        }
        (Type::Tuple(yes), Type::Tuple(no)) => {
            if yes.len() != no.len() {
                let (yes, no) = (yes.len(), no.len());
                return format!("The 'true' tuple has length {yes}, but the 'false' tuple has length {no}");
            }
            let different = yes.iter().zip(no).enumerate().find(|(_, (yes, no))| yes != no);
            if let Some((index, (yes, no))) = different {
                return format!("Type mismatch for tuple element {index}: {}", difference(yes, no));
            }
        }
        _ => {}
    }
    let (yes, no) = (yes.name(), no.name());
    if yes == no {
        return "At least one deeply-nested attribute or element is not compatible across both the 'true' and the \
                'false' value"
            .to_owned();
    }
    format!("The 'true' value is {yes}, but the 'false' value is {no}")
}
