//! Values as JSON, and JSON as values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{ConversionError, Number, Type, Value, convert};

/// Compact JSON, keys sorted, with the escapes that Go's encoder writes.
///
/// # Errors
/// If a number is infinite, which JSON cannot represent.
pub fn to_json(value: &Value) -> Result<String, ConversionError> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<(), ConversionError> {
    match value {
        Value::Null(_) => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) if number.is_infinite() => {
            return Err(ConversionError { message: "cannot serialize infinity as JSON".to_owned() });
        }
        Value::Number(number) => text.push_str(&number.text()),
        Value::String(string) => quote(string, text),
        Value::List(_, elements) | Value::Set(_, elements) | Value::Tuple(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(element, text)?;
            }
            text.push(']');
        }
        Value::Map(_, entries) | Value::Object(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(key, text);
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn quote(string: &str, text: &mut String) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                _ = write!(text, "\\u{:04x}", u32::from(letter))
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// The value of a JSON document, with the types that JSON implies.
///
/// # Errors
/// If it is not JSON.
pub fn from_json(text: &str) -> Result<Value, ConversionError> {
    Ok(of(&parsed(text)?))
}

/// The value of a JSON document as that type.
///
/// # Errors
/// If it is not JSON, or of another type.
pub fn from_json_as(text: &str, wanted: &Type) -> Result<Value, ConversionError> {
    convert(&of(&parsed(text)?), wanted)
}

fn parsed(text: &str) -> Result<Raw, ConversionError> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, depth: 0 };
    let raw = reader.value()?;
    reader.skip_spaces();
    if reader.at < reader.bytes.len() {
        return Err(reader.error("extraneous data after JSON object"));
    }
    Ok(raw)
}

enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Raw>),
    Object(BTreeMap<String, Raw>),
}

fn of(raw: &Raw) -> Value {
    match raw {
        Raw::Null => Value::NULL,
        Raw::Bool(value) => Value::Bool(*value),
        Raw::Number(number) => Value::Number(number.clone()),
        Raw::Text(text) => Value::text(text.clone()),
        Raw::Array(elements) => Value::Tuple(elements.iter().map(of).collect()),
        Raw::Object(entries) => Value::Object(entries.iter().map(|(key, value)| (key.clone(), of(value))).collect()),
    }
}

/// Deeper documents are refused: they would exhaust the stack.
const MAX_DEPTH: usize = 200;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> ConversionError {
        ConversionError { message: format!("{what} at offset {}", self.at) }
    }

    fn skip_spaces(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Raw, ConversionError> {
        self.skip_spaces();
        match self.bytes.get(self.at) {
            None => Err(self.error("unexpected end of JSON input")),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Raw::Text(self.text()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                for (word, raw) in [("null", Raw::Null), ("true", Raw::Bool(true)), ("false", Raw::Bool(false))] {
                    if self.bytes[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(raw);
                    }
                }
                Err(self.error("invalid character looking for beginning of value"))
            }
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Raw, ConversionError>) -> Result<Raw, ConversionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("JSON is nested too deeply"));
        }
        self.at += 1;
        let raw = read(self)?;
        self.depth -= 1;
        Ok(raw)
    }

    fn array(&mut self) -> Result<Raw, ConversionError> {
        let mut elements = Vec::new();
        self.skip_spaces();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Raw::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.skip_spaces();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Raw::Array(elements));
                }
                _ => return Err(self.error("invalid character after array element")),
            }
        }
    }

    fn object(&mut self) -> Result<Raw, ConversionError> {
        let mut entries = BTreeMap::new();
        self.skip_spaces();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Raw::Object(entries));
        }
        loop {
            self.skip_spaces();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.error("invalid character looking for beginning of object key string"));
            }
            let key = self.text()?;
            self.skip_spaces();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.error("invalid character after object key"));
            }
            self.at += 1;
            let value = self.value()?;
            entries.insert(key, value);
            self.skip_spaces();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Raw::Object(entries));
                }
                _ => return Err(self.error("invalid character after object key:value pair")),
            }
        }
    }

    /// A string, whose escapes the existing JSON parser decodes.
    fn text(&mut self) -> Result<String, ConversionError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(self.error("unexpected end of JSON input")),
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let literal = self.bytes.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(literal).map_err(|_| self.error("invalid string"))
    }

    fn number(&mut self) -> Result<Raw, ConversionError> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        let digits = text.trim_start_matches('-');
        let has_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        match Number::parse(text) {
            Some(number) if !has_zero && !digits.ends_with('.') => Ok(Raw::Number(number)),
            _ => Err(self.error("invalid number")),
        }
    }
}
