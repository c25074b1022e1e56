//! Values as Go's fmt prints them with `%v`.

use serde_json::Value;

pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(element).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            let fields: Vec<String> =
                fields.into_iter().map(|(key, value)| format!("{key}:{}", element(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// Within a list or a map, what is empty is a Go struct without fields, as in `map[80/tcp:{}]`.
fn element(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        other => plain(other),
    }
}
