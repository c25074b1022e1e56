//! JSON as a body of attributes and blocks: only a property's name shows whether it is a block.

use super::json::{Json, Property};
use super::template::parse_template;
use super::tree::{Attribute, Block, Body, Expression, Key, Label};
use super::{Span, at};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::value::Value;

type Read<T> = Result<T, Box<Diagnostic>>;

/// The blocks of a bake file. Each has a label.
const BLOCKS: [&str; 4] = ["variable", "function", "target", "group"];

/// Whether a file of unknown type starts like JSON.
pub fn is_json_syntax(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// A whole file.
pub(super) fn top_level(json: &Json) -> Read<Body> {
    let mut body = Body { missing: json.span(), ..Body::default() };
    for property in properties(json, None)? {
        if BLOCKS.contains(&property.name.as_str()) {
            add_blocks(property, &mut body.blocks)?;
        } else if property.name != "//" {
            add_attribute(property, &mut body)?;
        }
    }
    Ok(body)
}

/// The properties of an object, or of all objects of an array.
fn properties<'a>(json: &'a Json, label: Option<&str>) -> Read<Vec<&'a Property>> {
    let wrong = |span, detail: String| Err(at(span, "Incorrect JSON value type", detail));
    let purpose = label.map_or_else(
        || "to define arguments and child blocks.".to_owned(),
        |label| format!("to specify {label} labels for this block."),
    );
    match json {
        Json::Null(_) => Ok(Vec::new()),
        Json::Object(properties, _) => Ok(properties.iter().collect()),
        Json::Array(values, _) => {
            let mut all = Vec::new();
            for value in values {
                match value {
                    Json::Object(properties, _) => all.extend(properties),
                    other => return wrong(other.span(), format!("A JSON object is required here, {purpose}")),
                }
            }
            Ok(all)
        }
        other => {
            let detail = format!("Either a JSON object or JSON array of objects is required here, {purpose}");
            wrong(other.span(), detail)
        }
    }
}

fn add_blocks(property: &Property, blocks: &mut Vec<Block>) -> Read<()> {
    let kind = &property.name;
    let named = properties(&property.value, Some("name"))?;
    if named.is_empty() {
        let detail =
            format!("At least one object property is required, whose name represents the {kind} block's name.");
        return Err(at(property.value.span(), "Missing block label", detail));
    }
    for name in named {
        let label = Label { text: name.name.clone(), span: name.name_span };
        let mut add = |body: Body, span: Span| {
            blocks.push(Block {
                kind: kind.clone(),
                kind_span: property.name_span,
                labels: vec![label.clone()],
                open: span,
                body,
            });
        };
        match &name.value {
            Json::Null(_) => {}
            object @ Json::Object(_, span) => add(block_body(kind, object)?, *span),
            Json::Array(values, span) => {
                for value in values {
                    add(block_body(kind, value)?, *span);
                }
            }
            other => {
                let detail = format!(
                    "Either a JSON object or a JSON array is required, representing the contents of one or more \
                     {kind:?} blocks."
                );
                return Err(at(other.span(), "Incorrect JSON value type", detail));
            }
        }
    }
    Ok(())
}

fn block_body(kind: &str, json: &Json) -> Read<Body> {
    let span = json.span();
    let mut body = Body { missing: Span { start: span.end.saturating_sub(1), ..span }, ..Body::default() };
    for property in properties(json, None)? {
        if kind == "variable" && property.name == "validation" {
            for value in match &property.value {
                Json::Array(values, _) => values.iter().collect(),
                other => vec![other],
            } {
                body.blocks.push(Block {
                    kind: property.name.clone(),
                    kind_span: property.name_span,
                    labels: Vec::new(),
                    open: value.span(),
                    body: block_body("validation", value)?,
                });
            }
        } else if property.name != "//" {
            add_attribute(property, &mut body)?;
        }
    }
    Ok(body)
}

fn add_attribute(property: &Property, body: &mut Body) -> Read<()> {
    if body.attribute(&property.name).is_some() {
        let detail = format!("The argument {:?} was already set.", property.name);
        return Err(at(property.name_span, "Duplicate argument", detail));
    }
    body.attributes.push(Attribute {
        name: property.name.clone(),
        name_span: property.name_span,
        value: expression(&property.value),
        span: property.name_span.to(property.value.span()),
    });
    Ok(())
}

fn expression(json: &Json) -> Expression {
    let literal = |value, span: &Span| Expression::Literal { value, span: *span };
    match json {
        Json::Null(span) => literal(Value::NULL, span),
        Json::Bool(value, span) => literal(Value::Bool(*value), span),
        Json::Number(number, span) => literal(Value::Number(number.clone()), span),
        Json::Text(text, span) => text_expression(text, *span),
        Json::Array(values, span) => {
            Expression::Tuple { elements: values.iter().map(expression).collect(), span: *span }
        }
        Json::Object(properties, span) => {
            let items = properties.iter().map(|property| {
                let key = text_expression(&property.name, property.name_span);
                (Key { expression: key, is_forced: true }, expression(&property.value))
            });
            Expression::Object { items: items.collect(), is_json: true, span: *span }
        }
    }
}

fn text_expression(text: &str, span: Span) -> Expression {
    let inside = Span { start: span.start + 1, ..span };
    let template = parse_template(text, inside).map(Box::new);
    Expression::JsonText { text: text.to_owned(), template, span }
}
