//! Descriptions written in YAML, as the tools of most vendors write them, brought into JSON's form.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// The only document of the text. An error says what is wrong, and where.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => value(document),
        documents => Err(format!("it has {} documents, not one", documents.len())),
    }
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

/// Keys of JSON are texts; a number or truth value is taken as it would be printed.
fn name(key: &Yaml<'_>) -> Result<String, String> {
    match value(key)? {
        Value::String(text) => Ok(text),
        key @ (Value::Number(_) | Value::Bool(_)) => Ok(key.to_string()),
        _ => Err("one of its keys is no text".to_owned()),
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
    fn what_is_no_document_is_said() {
        for text in ["a: [", "", "a: 1\n---\nb: 2\n", "? [a]\n: 1\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
