//! `policy` of a target: the policies by which buildx decides where a build may take its files from. They are parsed
//! and shown here, but not evaluated.

use std::collections::BTreeMap;

use super::entries::{Entry, Read, parse_bool};
use super::functions::fields;
use super::value::{Type, Value, convert, mismatch};

/// An entry, with its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub files: Vec<String>,
    /// `reset`, `disabled`, `strict`, `log-level`.
    pub settings: BTreeMap<String, String>,
}

/// Log levels, as in buildx.
const LEVELS: [&str; 8] = ["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];

impl Policy {
    /// Whether it disables all of them.
    pub fn is_disabled(&self) -> bool {
        self.settings.get("disabled").is_some_and(|text| parse_bool(text) == Some(true))
    }

    fn add(&mut self, key: &str, value: &str) -> Read<()> {
        let key = key.trim().to_lowercase();
        let is_right = match key.as_str() {
            "filename" => !value.is_empty(),
            "reset" | "disabled" | "strict" => parse_bool(value).is_some(),
            "log-level" => LEVELS.contains(&value.to_lowercase().as_str()),
            _ => false,
        };
        match (is_right, key == "filename") {
            (false, _) => return Err(format!("invalid value {key}={value}")),
            (true, true) => self.files.push(value.to_owned()),
            (true, false) => _ = self.settings.insert(key, value.to_owned()),
        }
        Ok(())
    }
}

impl Entry for Policy {
    fn kind() -> Type {
        Type::map(Type::String)
    }

    fn parse(text: &str) -> Read<Self> {
        let mut policy = Self::default();
        for field in fields(text, ',')? {
            let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid value {field}"))?;
            policy.add(key, value)?;
        }
        Ok(policy)
    }

    fn of_object(value: &Value) -> Read<Self> {
        let entries = value.entries().ok_or_else(|| mismatch(&value.kind(), &Self::kind()))?;
        let mut policy = Self::default();
        for (key, value) in entries {
            let text = convert(value, &Type::String).map_err(|error| error.message)?;
            if let Some(text) = text.as_text().filter(|text| !text.is_empty()) {
                policy.add(key, text)?;
            }
        }
        Ok(policy)
    }

    fn value(&self) -> Value {
        let file = self.files.first().map(|file| ("filename".to_owned(), file.clone()));
        let entries = file.into_iter().chain(self.settings.clone());
        Value::Map(Type::String, entries.map(|(key, text)| (key, Value::text(text))).collect())
    }
}
