//! The query of an address, by docker's rules.

use serde_json::Value;

use super::error::ApiError;

/// Names and values, in order. Unknown names are ignored: clients repeat whole bodies there.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let word = |text: &str| decoded(&text.replace('+', " "));
            (word(name), word(value))
        };
        Self(text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect())
    }

    /// The first value of that name; an empty one counts as missing.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The same, but an empty value counts.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// True unless the value is one of docker's words for "no".
    pub fn flag(&self, name: &str) -> bool {
        self.given(name).is_some_and(is_true)
    }

    /// The same, with a default for a missing name.
    pub fn flag_or(&self, name: &str, usual: bool) -> bool {
        self.given(name).map_or(usual, is_true)
    }

    /// An optional number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let wrong = |text: &str| {
            ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
                .context(&format!("invalid value for {name}"))
        };
        self.text(name).map(|text| text.trim().parse().map_err(|_| wrong(text))).transpose()
    }

    /// An optional JSON value.
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let wrong = |error| ApiError::bad_request(format!("invalid value for {name}: {error}"));
        self.text(name).map(|text| serde_json::from_str(text).map_err(wrong)).transpose()
    }

    /// `filters`, a map to lists or to maps of booleans, as `KEY=VALUE`.
    pub fn filters(&self) -> Result<Vec<String>, ApiError> {
        let Some(text) = self.text("filters") else { return Ok(Vec::new()) };
        let invalid = || ApiError::bad_request("invalid filter");
        let keys = match serde_json::from_str(text).map_err(|_| invalid())? {
            Value::Object(keys) => keys,
            Value::Null => return Ok(Vec::new()),
            _ => return Err(invalid()),
        };
        let mut words = Vec::new();
        for (key, values) in &keys {
            match values {
                Value::Array(values) => {
                    for value in values {
                        words.push(format!("{key}={}", value.as_str().ok_or_else(invalid)?));
                    }
                }
                // docker goes by the keys alone.
                Value::Object(values) if values.values().all(Value::is_boolean) => {
                    words.extend(values.keys().map(|value| format!("{key}={value}")));
                }
                Value::Null => {}
                _ => return Err(invalid()),
            }
        }
        Ok(words)
    }
}

/// docker's `BoolValue`.
pub fn is_true(text: &str) -> bool {
    !matches!(text.trim().to_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
}

/// Decodes `%2F` to `/`; invalid sequences stay. Invalid UTF-8 becomes the replacement character.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        let query = Query::parse("a=1&b=x%20y+z&a=2&c&d=%zz&e=False");
        assert_eq!(query.text("a"), Some("1"));
        assert_eq!(query.all("a"), ["1", "2"]);
        assert_eq!(query.text("b"), Some("x y z"));
        assert_eq!((query.given("c"), query.text("c")), (Some(""), None));
        assert_eq!(query.text("d"), Some("%zz"));
        assert!(query.flag("a") && !query.flag("e") && !query.flag("none") && query.flag_or("none", true));
        assert_eq!(query.number("a").unwrap(), Some(1));
        assert!(query.number("b").is_err());
    }

    #[test]
    fn filters_come_as_lists_and_as_maps() {
        let words = |text: &str| Query::parse(&format!("filters={text}")).filters();
        assert_eq!(words(r#"{"label":["a=b","c"]}"#).unwrap(), ["label=a=b", "label=c"]);
        assert_eq!(words(r#"{"label":{"a=b":true,"no":false}}"#).unwrap(), ["label=a=b", "label=no"]);
        assert_eq!((words("").unwrap().len(), words("null").unwrap().len()), (0, 0));
        for wrong in ["nonsense", "[]", r#"{"label":1}"#, r#"{"label":[1]}"#, r#"{"label":{"a":1}}"#] {
            assert_eq!(words(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
