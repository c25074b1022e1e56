//! JSON with places, for the errors of bake files.

use super::{Span, at};
use crate::language::bake::error::Diagnostic;
use crate::language::bake::value::Number;

#[derive(Debug, Clone)]
pub(super) enum Json {
    Null(Span),
    Bool(bool, Span),
    Number(Number, Span),
    Text(String, Span),
    Array(Vec<Json>, Span),
    Object(Vec<Property>, Span),
}

#[derive(Debug, Clone)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) value: Json,
}

impl Json {
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Null(span)
            | Self::Bool(_, span)
            | Self::Number(_, span)
            | Self::Text(_, span)
            | Self::Array(_, span)
            | Self::Object(_, span) => *span,
        }
    }
}

type Parsed<T> = Result<T, Box<Diagnostic>>;

const START: &str = "A JSON value must start with a brace, a bracket, a number, a string, or a keyword.";

/// Deeper documents are refused: walking the tree would exhaust the stack.
const MAX_DEPTH: usize = 150;

pub(super) fn parse(text: &str, file: usize) -> Parsed<Json> {
    let text = text.strip_prefix('\u{feff}').map_or((text, 0), |rest| (rest, 3));
    let mut reader = Reader { text: text.0, base: text.1, at: 0, file, depth: 0 };
    let value = reader.value("Missing JSON value")?;
    reader.skip();
    if reader.at < reader.text.len() {
        return Err(at(reader.here(1), "Extraneous data after value", "Extra characters appear after the JSON value."));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    base: usize,
    at: usize,
    file: usize,
    depth: usize,
}

impl Reader<'_> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn here(&self, length: usize) -> Span {
        Span { file: self.file, start: self.base + self.at, end: self.base + (self.at + length).min(self.text.len()) }
    }

    fn from(&self, start: usize) -> Span {
        Span { file: self.file, start: self.base + start, end: self.base + self.at }
    }

    fn skip(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, missing: &str) -> Parsed<Json> {
        self.skip();
        match self.next() {
            None => Err(at(self.here(0), "Missing value", "The JSON data ends prematurely.")),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                let (text, span) = self.string()?;
                Ok(Json::Text(text, span))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b']' | b'}' | b',' | b':') => Err(at(self.here(1), missing, START)),
            Some(letter) if letter.is_ascii_alphabetic() => self.keyword(),
            Some(_) => Err(at(self.here(1), "Invalid start of value", START)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Parsed<Json>) -> Parsed<Json> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            // Each level takes stack space, and no real file comes close.
            let detail = format!("There are more than {MAX_DEPTH} levels of nesting.");
            return Err(at(self.here(1), "Nested too deeply", detail));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Parsed<Json> {
        let start = self.at;
        self.at += 1;
        let mut properties = Vec::new();
        loop {
            self.skip();
            if self.next() == Some(b'}') {
                self.at += 1;
                return Ok(Json::Object(properties, self.from(start)));
            }
            properties.push(self.property()?);
            self.skip();
            match self.next() {
                Some(b',') => {
                    let comma = self.here(1);
                    self.at += 1;
                    self.skip();
                    if self.next() == Some(b'}') {
                        let detail = "JSON does not permit a trailing comma after the final property in an object.";
                        return Err(at(comma, "Trailing comma in object", detail));
                    }
                }
                Some(b'}') => {}
                None => {
                    let open = Span { end: self.base + start + 1, ..self.from(start) };
                    return Err(at(open, "Unclosed object", "No closing brace was found for this JSON object."));
                }
                Some(b']') => {
                    let detail = "A JSON object must be closed with a brace, not a bracket.";
                    return Err(at(self.here(1), "Mismatched braces", detail));
                }
                Some(_) => {
                    let detail = "A comma must appear between each property definition in an object.";
                    return Err(at(self.here(1), "Missing attribute seperator comma", detail));
                }
            }
        }
    }

    fn property(&mut self) -> Parsed<Property> {
        if self.next() != Some(b'"') {
            let summary = if self.next().is_none() { "Unclosed object" } else { "Invalid object property name" };
            return Err(at(self.here(1), summary, "A JSON object property name must be a string"));
        }
        let (name, name_span) = self.string()?;
        self.skip();
        match self.next() {
            Some(b':') => self.at += 1,
            Some(b'=') => {
                let detail = "JSON uses a colon as its name/value delimiter, not an equals sign.";
                return Err(at(self.here(1), "Missing property value colon", detail));
            }
            Some(b'}' | b',') => {
                let detail = "A JSON object attribute must have a value, introduced by a colon.";
                return Err(at(self.here(1), "Missing object value", detail));
            }
            _ => {
                let detail = "A colon must appear between an object property's name and its value.";
                return Err(at(self.here(1), "Missing property value colon", detail));
            }
        }
        let value = self.value("Missing value")?;
        Ok(Property { name, name_span, value })
    }

    fn array(&mut self) -> Parsed<Json> {
        let start = self.at;
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip();
            if self.next() == Some(b']') {
                self.at += 1;
                return Ok(Json::Array(values, self.from(start)));
            }
            values.push(self.value("Missing array element value")?);
            self.skip();
            match self.next() {
                Some(b',') => {
                    let comma = self.here(1);
                    self.at += 1;
                    self.skip();
                    if self.next() == Some(b']') {
                        let detail = "JSON does not permit a trailing comma after the final value in an array.";
                        return Err(at(comma, "Trailing comma in array", detail));
                    }
                }
                Some(b']') => {}
                Some(b':') => {
                    let detail = "A colon is not used to introduce values in a JSON array.";
                    return Err(at(self.here(1), "Invalid array value", detail));
                }
                None => {
                    let open = Span { end: self.base + start + 1, ..self.from(start) };
                    return Err(at(open, "Unclosed object", "No closing bracket was found for this JSON array."));
                }
                Some(b'}') => {
                    let detail = "A JSON array must be closed with a bracket, not a brace.";
                    return Err(at(self.here(1), "Mismatched brackets", detail));
                }
                Some(_) => {
                    let detail = "A comma must appear between each value in an array.";
                    return Err(at(self.here(1), "Missing attribute seperator comma", detail));
                }
            }
        }
    }

    fn string(&mut self) -> Parsed<(String, Span)> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.next() {
                None | Some(b'\n') => {
                    let detail = "There is a syntax error in the given JSON string.";
                    return Err(at(self.from(start), "Invalid JSON string", detail));
                }
                Some(b'\\') => self.at = (self.at + 2).min(self.text.len()),
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let literal = self.text.get(start..self.at).unwrap_or_default();
        let text = serde_json::from_str(literal).map_err(|_| {
            at(self.from(start), "Invalid JSON string", "There is a syntax error in the given JSON string.")
        })?;
        Ok((text, self.from(start)))
    }

    fn number(&mut self) -> Parsed<Json> {
        let start = self.at;
        while matches!(self.next(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.trim_start_matches('-');
        let is_padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        match Number::parse(text) {
            Some(number) if !is_padded && !digits.ends_with('.') && !digits.starts_with('.') => {
                Ok(Json::Number(number, self.from(start)))
            }
            _ => {
                let detail = "There is a syntax error in the given JSON number, or it is too large.";
                Err(at(self.from(start), "Invalid JSON number", detail))
            }
        }
    }

    fn keyword(&mut self) -> Parsed<Json> {
        let start = self.at;
        while self.next().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == b'_') {
            self.at += 1;
        }
        let span = self.from(start);
        match &self.text[start..self.at] {
            "null" => Ok(Json::Null(span)),
            "true" => Ok(Json::Bool(true, span)),
            "false" => Ok(Json::Bool(false, span)),
            word => Err(at(span, "Invalid JSON keyword", format!("{word:?} is not a valid JSON keyword."))),
        }
    }
}
