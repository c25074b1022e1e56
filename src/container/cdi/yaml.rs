//! Converts specifications in YAML, which most vendors' tools write, to JSON.

use std::collections::HashMap;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The maximum depth, as for JSON.
const DEEPEST: usize = 128;

/// The only document of the text. An error says what is wrong, and where.
pub(super) fn read(text: &str) -> Result<Value, String> {
    check_depth(text)?;
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => value(document),
        documents => Err(format!("it has {} documents, not one", documents.len())),
    }
}

/// Refuses values that are nested too deeply, because they are read and dropped by recursive functions. An alias counts
/// with the depth of its target.
fn check_depth(text: &str) -> Result<(), String> {
    /// An open list or map: its anchor, and the depth of what it contains so far.
    struct Open {
        anchor: usize,
        inside: usize,
    }
    let mut open: Vec<Open> = Vec::new();
    let mut heights: HashMap<usize, usize> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, marked) = event.map_err(|error| error.to_string())?;
        let height = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, inside: 0 });
                0
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let ended = open.pop().unwrap_or(Open { anchor: 0, inside: 0 });
                heights.insert(ended.anchor, ended.inside + 1);
                ended.inside + 1
            }
            Event::Alias(anchor) => heights.get(&anchor).copied().unwrap_or(0),
            _ => 0,
        };
        if open.len() + height > DEEPEST {
            return Err(format!("more than {DEEPEST} values stand in each other in line {}", marked.start.line()));
        }
        if let Some(parent) = open.last_mut() {
            parent.inside = parent.inside.max(height);
        }
    }
    Ok(())
}

fn value(node: &Yaml<'_>) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(truth) => Value::Bool(*truth),
            Scalar::Integer(number) => Value::from(*number),
            Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
            Scalar::String(text) => Value::from(text.as_ref()),
        },
        Yaml::Sequence(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, item) in pairs {
                map.insert(name(key)?, value(item)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(_, inner) => value(inner)?,
        Yaml::Representation(text, _, _) => Value::from(text.as_ref()),
        Yaml::Alias(_) | Yaml::BadValue => return Err("it has an alias that leads nowhere".to_owned()),
    })
}

/// JSON's keys are strings; a number or boolean key is converted.
fn name(key: &Yaml<'_>) -> Result<String, String> {
    match value(key)? {
        Value::String(text) => Ok(text),
        key @ (Value::Number(_) | Value::Bool(_)) => Ok(key.to_string()),
        _ => Err("one of its keys is not a string".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_become_json() {
        let text = "cdiVersion: \"0.6.0\"\nkind: a.com/b\ndevices:\n- name: all\n  containerEdits:\n    env: [A=1, 'B=2']\n    \
                    deviceNodes:\n    - {path: /dev/x, fileMode: 0o600, major: 195}\nannotations:\n  on: true\n  none: ~\n";
        let json = r#"{"cdiVersion":"0.6.0","kind":"a.com/b","devices":[{"name":"all","containerEdits":{"env":["A=1","B=2"],
            "deviceNodes":[{"path":"/dev/x","fileMode":384,"major":195}]}}],"annotations":{"on":true,"none":null}}"#;
        assert_eq!(read(text), Ok(serde_json::from_str(json).unwrap()));
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        let chain = |count: usize| {
            let lines = (1..count).map(|number| format!("a{number}: &a{number} {{x: [*a{}]}}\n", number - 1));
            std::iter::once("a0: &a0 [1]\n".to_owned()).chain(lines).collect::<String>()
        };
        for text in ["- ".repeat(60_000), "? ".repeat(200), "[".repeat(200) + &"]".repeat(200), chain(70)] {
            assert!(read(&text).is_err(), "{}", &text[..20]);
        }
        assert!(read(&("- ".repeat(100) + "x")).is_ok() && read(&chain(60)).is_ok());
    }

    #[test]
    fn what_is_no_document_is_said() {
        for text in ["a: [", "", "a: 1\n---\nb: 2\n", "? [a]\n: 1\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
