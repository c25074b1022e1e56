//! Attestations, caches, outputs, secrets and SSH agents, as text and as objects.

use std::collections::BTreeMap;

use super::functions::fields;
use super::value::{ConversionError, ObjectType, Type, Value, convert, mismatch};

pub(super) type Read<T> = Result<T, String>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attestation {
    pub kind: String,
    pub is_disabled: bool,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheEntry {
    pub kind: String,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    pub kind: String,
    pub destination: String,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    pub source: String,
    pub variable: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssh {
    pub id: String,
    pub paths: Vec<String>,
}

/// An entry of a target's list.
pub trait Entry: Sized {
    /// The type of an entry in messages.
    fn kind() -> Type;
    /// # Errors
    /// If the text is malformed.
    fn parse(text: &str) -> Read<Self>;
    /// # Errors
    /// If the value is not an object of the right type.
    fn of_object(value: &Value) -> Read<Self>;
    fn value(&self) -> Value;
}

/// Limits of RUN steps, in buildx's order; and those with numeric values.
pub const RESOURCES: [&str; 7] =
    ["memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems"];
pub const RESOURCE_NUMBERS: [&str; 3] = ["cpu-shares", "cpu-period", "cpu-quota"];

/// # Errors
/// If there is no such limit, or its value is not a number.
pub fn check_resource(name: &str, value: &str) -> Result<(), String> {
    if RESOURCE_NUMBERS.contains(&name) {
        let number: Result<i64, _> = value.parse();
        return number.map(drop).map_err(|_| format!("invalid value {value} for int64 key resources.{name}"));
    }
    if RESOURCES.contains(&name) { Ok(()) } else { Err(format!("unknown resources key {name}")) }
}

/// A bool as Go's `strconv.ParseBool` reads it.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A list of entries from a value.
///
/// # Errors
/// If it is not a list, or an entry is malformed.
pub fn entries_of<E: Entry>(value: &Value, parse: impl Fn(&str) -> Read<Vec<E>>) -> Read<Vec<E>> {
    let elements = match value {
        Value::Tuple(elements) | Value::List(_, elements) => elements,
        other => return Err(mismatch(&other.kind(), &Type::list(E::kind()))),
    };
    let mut entries = Vec::new();
    for element in elements {
        match element {
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => entries.extend(parse(text)?),
            Value::Null(_) => return Err("an entry must not be null".to_owned()),
            object => entries.push(E::of_object(object)?),
        }
    }
    Ok(entries)
}

/// # Errors
/// If a text is malformed.
pub fn parse_all<E: Entry>(texts: &[String]) -> Read<Vec<E>> {
    texts.iter().filter(|text| !text.is_empty()).map(|text| E::parse(text)).collect()
}

/// Cache entries: a text without `=` is a list of references.
///
/// # Errors
/// If a text is malformed.
pub fn parse_caches(texts: &[String]) -> Read<Vec<CacheEntry>> {
    let mut entries = Vec::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        entries.extend(parse_cache(text)?);
    }
    Ok(entries)
}

pub fn parse_cache(text: &str) -> Read<Vec<CacheEntry>> {
    if text.contains('=') {
        return Ok(vec![CacheEntry::parse(text)?]);
    }
    fields(text, ',')?.iter().map(|field| CacheEntry::parse(field)).collect()
}

/// Removed as in buildx: the order changes if there are any.
pub fn without_duplicates<T: PartialEq>(mut entries: Vec<T>) -> Vec<T> {
    for index in (0..entries.len().saturating_sub(1)).rev() {
        if let Some(later) = (index + 1..entries.len()).find(|later| entries[index] == entries[*later]) {
            entries.swap_remove(later);
        }
    }
    entries
}

fn pair(field: &str) -> Read<(&str, &str)> {
    field.split_once('=').ok_or_else(|| format!("invalid value {field}"))
}

/// An object or a map as attributes.
fn attributes(value: &Value) -> Read<BTreeMap<String, String>> {
    let map = convert(value, &Type::map(Type::String)).map_err(|error: ConversionError| error.message)?;
    let entries = map.entries().cloned().unwrap_or_default();
    Ok(entries.into_iter().filter_map(|(key, value)| Some((key, value.as_text()?.to_owned()))).collect())
}

fn map(entries: impl IntoIterator<Item = (String, String)>) -> Value {
    Value::Map(Type::String, entries.into_iter().map(|(key, value)| (key, Value::text(value))).collect())
}

impl Entry for Attestation {
    fn kind() -> Type {
        Type::map(Type::String)
    }

    fn parse(text: &str) -> Read<Self> {
        let mut attestation = Self::default();
        for field in fields(text, ',')? {
            let (key, value) = pair(&field)?;
            match key.to_lowercase().trim() {
                "type" => value.clone_into(&mut attestation.kind),
                "disabled" => {
                    attestation.is_disabled = parse_bool(value).ok_or_else(|| format!("invalid value {field}"))?;
                }
                _ => _ = attestation.attributes.insert(key.to_owned(), value.to_owned()),
            }
        }
        if attestation.kind.is_empty() {
            return Err("attestation type not specified".to_owned());
        }
        Ok(attestation)
    }

    fn of_object(value: &Value) -> Read<Self> {
        let mut attributes = attributes(value)?;
        let kind = attributes.remove("type").unwrap_or_default();
        let is_disabled = match attributes.remove("disabled") {
            Some(text) => parse_bool(&text).ok_or_else(|| format!("invalid bool {text:?}"))?,
            None => false,
        };
        Ok(Self { kind, is_disabled, attributes })
    }

    fn value(&self) -> Value {
        let disabled = self.is_disabled.then(|| ("disabled".to_owned(), "true".to_owned()));
        map(self.attributes.clone().into_iter().chain([("type".to_owned(), self.kind.clone())]).chain(disabled))
    }
}

impl Entry for CacheEntry {
    fn kind() -> Type {
        Type::map(Type::String)
    }

    fn parse(text: &str) -> Read<Self> {
        let fields = fields(text, ',')?;
        if let [reference] = fields.as_slice()
            && !reference.contains('=')
        {
            let attributes = BTreeMap::from([("ref".to_owned(), reference.clone())]);
            return Ok(Self { kind: "registry".to_owned(), attributes });
        }
        let mut entry = Self::default();
        for field in &fields {
            let (key, value) = pair(field)?;
            match key.to_lowercase() {
                key if key == "type" => value.clone_into(&mut entry.kind),
                key => _ = entry.attributes.insert(key, value.to_owned()),
            }
        }
        if entry.kind.is_empty() {
            return Err(format!("type required for {text:?}"));
        }
        Ok(entry)
    }

    fn of_object(value: &Value) -> Read<Self> {
        let mut attributes = attributes(value)?;
        let kind = attributes.remove("type").unwrap_or_default();
        if kind.is_empty() {
            let shown = super::value::to_json(value).unwrap_or_default();
            return Err(format!("type required for {shown:?}"));
        }
        Ok(Self { kind, attributes })
    }

    fn value(&self) -> Value {
        map(self.attributes.clone().into_iter().chain([("type".to_owned(), self.kind.clone())]))
    }
}

impl Entry for Output {
    fn kind() -> Type {
        Type::map(Type::String)
    }

    fn parse(text: &str) -> Read<Self> {
        let fields = fields(text, ',')?;
        if let [path] = fields.as_slice()
            && path == text
            && !text.starts_with("type=")
        {
            let kind = if text == "-" { "tar" } else { "local" };
            return Ok(Self { kind: kind.to_owned(), destination: text.to_owned(), ..Self::default() });
        }
        let mut output = Self::default();
        for field in &fields {
            let (key, value) = pair(field)?;
            match key.to_lowercase().trim() {
                "type" => value.clone_into(&mut output.kind),
                "dest" => value.clone_into(&mut output.destination),
                key => _ = output.attributes.insert(key.to_owned(), value.to_owned()),
            }
        }
        output.checked()
    }

    fn of_object(value: &Value) -> Read<Self> {
        let mut attributes = attributes(value)?;
        let kind = attributes.remove("type").unwrap_or_default();
        let destination = attributes.remove("dest").unwrap_or_default();
        Self { kind, destination, attributes }.checked()
    }

    fn value(&self) -> Value {
        let more = [("type".to_owned(), self.kind.clone()), ("dest".to_owned(), self.destination.clone())];
        map(self.attributes.clone().into_iter().chain(more))
    }
}

impl Output {
    fn checked(self) -> Read<Self> {
        if self.kind.is_empty() { Err("type is required for output".to_owned()) } else { Ok(self) }
    }

    pub fn of_kind(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }
}

fn optional(names: &[(&str, Type)]) -> Type {
    Type::Object(ObjectType {
        attributes: names.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect(),
        optional: names.iter().map(|(name, _)| (*name).to_owned()).collect(),
    })
}

fn object<E: Entry>(value: &Value) -> Read<BTreeMap<String, Value>> {
    let converted = convert(value, &E::kind()).map_err(|error| error.message)?;
    Ok(converted.entries().cloned().unwrap_or_default())
}

fn text_in(entries: &BTreeMap<String, Value>, name: &str) -> String {
    entries.get(name).and_then(Value::as_text).unwrap_or_default().to_owned()
}

impl Entry for Secret {
    fn kind() -> Type {
        optional(&[("id", Type::String), ("src", Type::String), ("env", Type::String)])
    }

    fn parse(text: &str) -> Read<Self> {
        let mut secret = Self::default();
        let mut kind = String::new();
        for field in fields(text, ',').map_err(|error| format!("failed to parse csv secret: {error}"))? {
            let Some((key, value)) = field.split_once('=') else {
                return Err(format!("invalid field '{field}' must be a key=value pair"));
            };
            match key.to_lowercase().as_str() {
                "type" if matches!(value, "file" | "env") => value.clone_into(&mut kind),
                "type" => return Err(format!("unsupported secret type {value:?}")),
                "id" => value.clone_into(&mut secret.id),
                "source" | "src" => value.clone_into(&mut secret.source),
                "env" => value.clone_into(&mut secret.variable),
                key => return Err(format!("unexpected key '{key}' in '{field}'")),
            }
        }
        if kind == "env" && secret.variable.is_empty() {
            secret.variable = std::mem::take(&mut secret.source);
        }
        Ok(secret)
    }

    fn of_object(value: &Value) -> Read<Self> {
        let entries = object::<Self>(value)?;
        Ok(Self { id: text_in(&entries, "id"), source: text_in(&entries, "src"), variable: text_in(&entries, "env") })
    }

    fn value(&self) -> Value {
        let entries = [("id", &self.id), ("src", &self.source), ("env", &self.variable)];
        Value::Object(entries.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text.clone()))).collect())
    }
}

impl Entry for Ssh {
    fn kind() -> Type {
        optional(&[("id", Type::String), ("paths", Type::list(Type::String))])
    }

    fn parse(text: &str) -> Read<Self> {
        let (id, paths) = match text.split_once('=') {
            Some((id, paths)) => (id, paths.split(',').map(str::to_owned).collect()),
            None => (text, Vec::new()),
        };
        Ok(Self { id: id.to_owned(), paths })
    }

    fn of_object(value: &Value) -> Read<Self> {
        let entries = object::<Self>(value)?;
        let paths = entries.get("paths").and_then(Value::elements).unwrap_or_default();
        if paths.iter().any(Value::is_null) {
            return Err("a path must not be null".to_owned());
        }
        let paths = paths.iter().filter_map(Value::as_text).map(str::to_owned).collect();
        Ok(Self { id: text_in(&entries, "id"), paths })
    }

    fn value(&self) -> Value {
        Value::Object(BTreeMap::from([
            ("id".to_owned(), Value::text(self.id.clone())),
            ("paths".to_owned(), Value::strings(self.paths.clone())),
        ]))
    }
}
