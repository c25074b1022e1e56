//! The Go structs of images in registries (image-spec's `v1` and those of buildx's `imagetools`): their fields by the names
//! that templates use, in Go's order, and the names that JSON has. A value of a struct has all of its fields; where Go has
//! a nil, it has `null`. That is how a struct is told from a map.

use serde_json::{Map, Value};

use super::escape::go_escaped;
use super::print;
use super::units::GO_CLOCK;

#[derive(Debug)]
pub struct Struct {
    name: &'static str,
    fields: &'static [Field],
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    json: &'static str,
    kind: Kind,
    /// JSON has it even if it is empty.
    is_kept: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bool,
    /// RFC 3339, as JSON has it.
    Time,
    List,
    Map,
    Interface,
    Struct(&'static Struct),
    /// Its fields are the outer struct's, too.
    Embedded(&'static Struct),
    Pointer(&'static Struct),
    Structs(&'static Struct),
    /// Neither printed nor in JSON.
    Method,
}
use Kind::{Bool, Embedded, Interface, List, Method, Number, Pointer, Structs, Text, Time};

const fn optional(name: &'static str, json: &'static str, kind: Kind) -> Field {
    Field { name, json, kind, is_kept: false }
}

const fn kept(name: &'static str, json: &'static str, kind: Kind) -> Field {
    Field { name, json, kind, is_kept: true }
}

pub static PLATFORM: Struct = Struct {
    name: "v1.Platform",
    fields: &[
        kept("Architecture", "architecture", Text),
        kept("OS", "os", Text),
        optional("OSVersion", "os.version", Text),
        optional("OSFeatures", "os.features", List),
        optional("Variant", "variant", Text),
    ],
};

static CONFIG: Struct = Struct {
    name: "v1.ImageConfig",
    fields: &[
        optional("User", "User", Text),
        optional("ExposedPorts", "ExposedPorts", Kind::Map),
        optional("Env", "Env", List),
        optional("Entrypoint", "Entrypoint", List),
        optional("Cmd", "Cmd", List),
        optional("Volumes", "Volumes", Kind::Map),
        optional("WorkingDir", "WorkingDir", Text),
        optional("Labels", "Labels", Kind::Map),
        optional("StopSignal", "StopSignal", Text),
        optional("ArgsEscaped", "ArgsEscaped", Bool),
    ],
};

static ROOT_FILESYSTEM: Struct =
    Struct { name: "v1.RootFS", fields: &[kept("Type", "type", Text), kept("DiffIDs", "diff_ids", List)] };

static HISTORY: Struct = Struct {
    name: "v1.History",
    fields: &[
        optional("Created", "created", Time),
        optional("CreatedBy", "created_by", Text),
        optional("Author", "author", Text),
        optional("Comment", "comment", Text),
        optional("EmptyLayer", "empty_layer", Bool),
    ],
};

pub static IMAGE: Struct = Struct {
    name: "v1.Image",
    fields: &[
        optional("Created", "created", Time),
        optional("Author", "author", Text),
        kept("Platform", "", Embedded(&PLATFORM)),
        kept("Config", "config", Kind::Struct(&CONFIG)),
        kept("RootFS", "rootfs", Kind::Struct(&ROOT_FILESYSTEM)),
        optional("History", "history", Structs(&HISTORY)),
    ],
};

pub static DESCRIPTOR: Struct = Struct {
    name: "v1.Descriptor",
    fields: &[
        kept("MediaType", "mediaType", Text),
        kept("Digest", "digest", Text),
        kept("Size", "size", Number),
        optional("URLs", "urls", List),
        optional("Annotations", "annotations", Kind::Map),
        optional("Data", "data", List),
        optional("Platform", "platform", Pointer(&PLATFORM)),
        optional("ArtifactType", "artifactType", Text),
    ],
};

/// An index with its own digest and size.
pub static INDEX: Struct = Struct {
    name: "struct",
    fields: &[
        kept("SchemaVersion", "schemaVersion", Number),
        optional("MediaType", "mediaType", Text),
        kept("Digest", "digest", Text),
        kept("Size", "size", Number),
        kept("Manifests", "manifests", Structs(&DESCRIPTOR)),
        optional("Annotations", "annotations", Kind::Map),
    ],
};

pub static SBOM: Struct = Struct {
    name: "imagetools.sbomStub",
    fields: &[optional("SPDX", "SPDX", Interface), optional("AdditionalSPDXs", "AdditionalSPDXs", List)],
};

pub static PROVENANCE: Struct =
    Struct { name: "imagetools.provenanceStub", fields: &[optional("SLSA", "SLSA", Interface)] };

/// What a template of `imagetools inspect` gets.
pub static INSPECTED: Struct = Struct {
    name: "imagetools.tplInput",
    fields: &[
        optional("Name", "name", Text),
        optional("Manifest", "manifest", Interface),
        optional("Image", "image", Interface),
        optional("SBOM", "", Method),
        optional("Provenance", "", Method),
    ],
};

static ALL: [&Struct; 10] =
    [&PLATFORM, &CONFIG, &ROOT_FILESYSTEM, &HISTORY, &IMAGE, &DESCRIPTOR, &INDEX, &SBOM, &PROVENANCE, &INSPECTED];

impl Struct {
    /// The struct that has exactly these fields.
    pub(super) fn of(value: &Map<String, Value>) -> Option<&'static Self> {
        let fits = |known: &&&Self| {
            known.fields.len() == value.len()
                && known.fields.iter().zip(value.keys()).all(|(field, key)| field.name == key)
        };
        ALL.iter().find(fits).copied()
    }

    /// The value that Go decodes from JSON; what is not there is its zero.
    pub fn decode(&self, json: &Value) -> Value {
        let decode = |field: &Field| {
            let found = json.get(field.json).unwrap_or(&Value::Null);
            match (field.kind, found) {
                (Embedded(inner), _) => inner.decode(json),
                (Kind::Struct(inner), found) => inner.decode(found),
                (Pointer(inner), Value::Object(_)) => inner.decode(found),
                (Structs(inner), Value::Array(items)) => items.iter().map(|item| inner.decode(item)).collect(),
                (Text, Value::String(_)) | (Number, Value::Number(_)) | (Bool, Value::Bool(_)) => found.clone(),
                (Time, Value::String(_)) | (List, Value::Array(_)) | (Kind::Map, Value::Object(_)) => found.clone(),
                (Interface, found) => in_floats(found),
                (Text, _) => Value::from(""),
                (Number, _) => Value::from(0),
                (Bool, _) => Value::from(false),
                _ => Value::Null,
            }
        };
        let fields = self.fields.iter().map(|field| (field.name.to_owned(), decode(field)));
        Value::Object(fields.collect())
    }

    /// A field by its name in Go. `as_json` keeps a nil what it is, and times as JSON has them.
    pub(super) fn field(&self, value: &Map<String, Value>, name: &str, as_json: bool) -> Option<Value> {
        let shown = |field: &Field| if as_json { value[name].clone() } else { shown(field.kind, &value[name]) };
        let embedded = || {
            self.fields.iter().find_map(|field| match (field.kind, value[field.name].as_object()) {
                (Embedded(inner), Some(value)) => inner.field(value, name, as_json),
                _ => None,
            })
        };
        self.fields.iter().find(|field| field.name == name).map(shown).or_else(embedded)
    }

    pub(super) fn printed(&self, value: &Map<String, Value>) -> String {
        let printed = self.fields.iter().filter(|field| !matches!(field.kind, Method));
        let printed: Vec<String> = printed.map(|field| print::plain(&shown(field.kind, &value[field.name]))).collect();
        format!("{{{}}}", printed.join(" "))
    }

    /// What Go calls the type of such a value.
    pub(super) fn type_name(&self, value: &Map<String, Value>) -> String {
        // The image of one platform, or a map of images.
        let is_map = value.get("Image").and_then(Value::as_object).is_some_and(|image| Self::of(image).is_none());
        format!("{}{}", self.name, if is_map { "s" } else { "" })
    }

    fn put_json(&self, value: &Map<String, Value>, out: &mut Map<String, Value>) {
        for field in self.fields {
            let own = &value[field.name];
            match (field.kind, own) {
                (Method, _) => {}
                (Embedded(inner), Value::Object(own)) => inner.put_json(own, out),
                (Interface, own) if own.is_null() => {}
                (Interface | Kind::Struct(_), own) => {
                    out.insert(field.json.to_owned(), in_json(own));
                }
                (_, own) if field.is_kept || !is_empty(own) => {
                    out.insert(field.json.to_owned(), in_json(own));
                }
                _ => {}
            }
        }
    }
}

/// What Go leaves out of JSON.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The field of a value that is called `around`, or why there is none, in Go's words.
pub(super) fn field(value: &Value, around: &str, name: &str, as_json: bool) -> Result<Value, String> {
    let found = match value {
        Value::Object(fields) => match Struct::of(fields) {
            Some(known) => known.field(fields, name, as_json),
            None => fields.get(name).cloned(),
        },
        Value::Null => return Err(format!("nil pointer evaluating {}.{name}", type_name(value, around))),
        other => method(other, name),
    };
    found.ok_or_else(|| format!("can't evaluate field {name} in type {}", type_name(value, around)))
}

/// As Go prints a field: a nil list or map is an empty one.
fn shown(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (List | Structs(_), Value::Null) => Value::Array(Vec::new()),
        (Kind::Map, Value::Null) => Value::Object(Map::new()),
        (Time, Value::String(text)) => Value::from(go_time_of(text).unwrap_or_else(|| text.clone())),
        _ => value.clone(),
    }
}

/// A time keeps the offset that it was written with. Such a zone has no name, and Go writes the offset in its place.
fn go_time_of(text: &str) -> Option<String> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let offset = jiff::fmt::temporal::Pieces::parse(text).ok()?.to_numeric_offset()?;
    let zone = if offset == jiff::tz::Offset::UTC { "UTC" } else { "%z" };
    let zoned = time.to_zoned(offset.to_time_zone());
    Some(zoned.strftime(&format!("{GO_CLOCK} %z {zone}")).to_string())
}

/// Numbers of any JSON, which Go decodes as floats.
fn in_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.iter().map(in_floats).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), in_floats(value))).collect())
        }
        other => other.clone(),
    }
}

/// Floats without a fraction are written as whole numbers up to here.
const WHOLE_LIMIT: f64 = 1e15;

fn in_json(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut out = Map::new();
            if let Some(known) = Struct::of(fields) {
                known.put_json(fields, &mut out);
            } else {
                out.extend(fields.iter().map(|(key, value)| (key.clone(), in_json(value))));
                out.sort_keys();
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(in_json).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < WHOLE_LIMIT => {
                Value::from(float as i64)
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// As buildx's `json` writes a value: indented, keys of maps in order.
pub(super) fn to_json(value: &Value) -> String {
    go_escaped(&format!("{:#}", in_json(value)))
}

/// What Go calls the type of the value of a field that is called `around`.
fn type_name(value: &Value, around: &str) -> String {
    match (around, value) {
        ("Manifest", _) => "interface {}".to_owned(),
        ("Image" | "Platform", Value::Null) => format!("*v1.{around}"),
        ("Created", Value::Null) => "*time.Time".to_owned(),
        (_, Value::Null) => "interface {}".to_owned(),
        (_, Value::Object(fields)) => match Struct::of(fields) {
            Some(known) if known.name == IMAGE.name || around == "Platform" => format!("*{}", known.name),
            _ => print::type_name(value),
        },
        _ => print::type_name(value),
    }
}

/// Whether a field holds a value of any type, which nothing is, too.
pub(super) fn is_interface(name: &str) -> bool {
    matches!(name, "SLSA" | "SPDX")
}

/// The methods of a digest.
fn method(value: &Value, name: &str) -> Option<Value> {
    let (algorithm, encoded) = value.as_str()?.split_once(':')?;
    match name {
        "Algorithm" => Some(Value::from(algorithm)),
        "Encoded" | "Hex" => Some(Value::from(encoded)),
        "String" => Some(value.clone()),
        _ => None,
    }
}

/// What `index .SBOM "PLATFORM"` gives where the map of that name has no such platform.
pub(super) fn missing_statement(fields: &[String], arguments: &[Value]) -> Option<Value> {
    let known = match fields.last()?.as_str() {
        "SBOM" => &SBOM,
        "Provenance" => &PROVENANCE,
        _ => return None,
    };
    let [Value::Object(statements), Value::String(platform)] = arguments else { return None };
    let is_missing = Struct::of(statements).is_none() && !statements.contains_key(platform);
    is_missing.then(|| known.decode(&Value::Null))
}
