//! HCL's values, after go-cty: typed nulls, collections of one type and structures of several.
//!
//! Knows no syntax and no files.

mod convert;
mod json;
mod number;
mod number_text;
mod types;

use std::collections::BTreeMap;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

pub use convert::{ConversionError, convert};
pub use json::{from_json, from_json_as, to_json};
pub use number::{NotANumber, Number};
pub use number_text::Notation;
pub use types::{ObjectType, Type, mismatch, unify};

/// A value. Sets are sorted and contain each element once.
#[derive(Debug, Clone)]
pub enum Value {
    Null(Type),
    Bool(bool),
    Number(Number),
    String(String),
    List(Type, Vec<Self>),
    Set(Type, Vec<Self>),
    Map(Type, BTreeMap<String, Self>),
    Object(BTreeMap<String, Self>),
    Tuple(Vec<Self>),
}

impl Value {
    pub const NULL: Self = Self::Null(Type::Dynamic);

    /// Text in Unicode's NFC form.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => Self::String(text),
            _ => Self::String(text.nfc().collect()),
        }
    }

    pub fn strings(texts: impl IntoIterator<Item = String>) -> Self {
        Self::List(Type::String, texts.into_iter().map(Self::text).collect())
    }

    pub fn kind(&self) -> Type {
        match self {
            Self::Null(kind) => kind.clone(),
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::List(element, _) => Type::list(element.clone()),
            Self::Set(element, _) => Type::set(element.clone()),
            Self::Map(element, _) => Type::map(element.clone()),
            Self::Object(attributes) => {
                Type::object(attributes.iter().map(|(name, value)| (name.clone(), value.kind())).collect())
            }
            Self::Tuple(elements) => Type::Tuple(elements.iter().map(Self::kind).collect()),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The elements of a list, a set or a tuple.
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::List(_, elements) | Self::Set(_, elements) | Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The entries of a map or an object.
    pub fn entries(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(_, entries) | Self::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// Keys and values in the order of a loop.
    pub fn pairs(&self) -> Option<Vec<(Self, Self)>> {
        match self {
            Self::Set(_, elements) => Some(elements.iter().map(|value| (value.clone(), value.clone())).collect()),
            Self::List(_, elements) | Self::Tuple(elements) => {
                let keys = (0..).map(|index| Self::Number(Number::count(index)));
                Some(keys.zip(elements.iter().cloned()).collect())
            }
            Self::Map(_, entries) | Self::Object(entries) => {
                let pair = |(key, value): (&String, &Self)| (Self::String(key.clone()), value.clone());
                Some(entries.iter().map(pair).collect())
            }
            _ => None,
        }
    }

    /// A set of them, sorted and without duplicates.
    pub fn set(element: Type, values: Vec<Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for value in values {
            if !kept.iter().any(|known| known.equals(&value)) {
                kept.push(value);
            }
        }
        kept.sort_by(|left, right| left.set_order(right));
        Self::Set(element, kept)
    }

    fn set_order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::String(left), Self::String(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => left.compare(right),
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Null(_), Self::Null(_)) => std::cmp::Ordering::Equal,
            (Self::Null(_), _) => std::cmp::Ordering::Greater,
            (_, Self::Null(_)) => std::cmp::Ordering::Less,
            _ => self.ordering_key().cmp(&other.ordering_key()),
        }
    }

    /// A sort key for values that have no natural order.
    fn ordering_key(&self) -> String {
        let all = |open: char, elements: &[Self], close: char| {
            let inner: String = elements.iter().map(|value| format!("{};", value.ordering_key())).collect();
            format!("{open}{inner}{close}")
        };
        match self {
            Self::Null(_) => "~".to_owned(),
            Self::Bool(value) => if *value { "T" } else { "F" }.to_owned(),
            Self::Number(number) => number.formatted(Notation::General, Some(10)),
            Self::String(text) => format!("{text:?}"),
            Self::List(_, elements) | Self::Set(_, elements) => all('[', elements, ']'),
            Self::Tuple(elements) => all('<', elements, '>'),
            Self::Object(entries) => all('<', &entries.values().cloned().collect::<Vec<_>>(), '>'),
            Self::Map(_, entries) => {
                let inner: String =
                    entries.iter().map(|(key, value)| format!("{key:?}:{};", value.ordering_key())).collect();
                format!("{{{inner}}}")
            }
        }
    }

    /// The comparison of `==`: values of different types differ, all nulls are equal.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null(_), Self::Null(_)) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::String(left), Self::String(right)) => left == right,
            (Self::List(left_kind, left), Self::List(right_kind, right))
            | (Self::Set(left_kind, left), Self::Set(right_kind, right)) => {
                left_kind == right_kind && all_equal(left, right)
            }
            (Self::Tuple(left), Self::Tuple(right)) => self.kind() == other.kind() && all_equal(left, right),
            (Self::Map(left_kind, left), Self::Map(right_kind, right)) => {
                left_kind == right_kind && entries_equal(left, right)
            }
            (Self::Object(left), Self::Object(right)) => self.kind() == other.kind() && entries_equal(left, right),
            _ => false,
        }
    }

    /// The number of values in it, on all levels.
    pub fn size(&self) -> usize {
        match self {
            Self::List(_, elements) | Self::Set(_, elements) | Self::Tuple(elements) => {
                1 + elements.iter().map(Self::size).sum::<usize>()
            }
            Self::Map(_, entries) | Self::Object(entries) => 1 + entries.values().map(Self::size).sum::<usize>(),
            Self::String(text) => 1 + text.len() / 64,
            _ => 1,
        }
    }
}

fn all_equal(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
}

fn entries_equal(left: &BTreeMap<String, Value>, right: &BTreeMap<String, Value>) -> bool {
    left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| value.equals(other)))
}
