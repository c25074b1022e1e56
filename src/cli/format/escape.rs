//! Go's `html`, `js` and `urlquery`, and the JSON of a listing's rows.

use serde_json::{Map, Value};

/// A row of a listing in the JSON of docker's formatters: its fields sorted by name, with Go's escapes. `Label` is a
/// method, not a field.
pub fn json_of_row(row: &Value) -> String {
    let Some(fields) = row.as_object() else { return go_escaped(&row.to_string()) };
    let mut sorted: Vec<_> = fields.iter().filter(|(name, value)| *name != "Label" || !value.is_object()).collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    let sorted: Map<String, Value> = sorted.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    go_escaped(&Value::Object(sorted).to_string())
}

/// Go's encoder escapes these characters, which occur only in strings.
pub fn go_escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}

pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{FFFD}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

pub fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if (c as u32) < 0x20 || c == '\u{2028}' || c == '\u{2029}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            other => out.push(other),
        }
    }
    out
}

pub fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => out.push(byte.into()),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
