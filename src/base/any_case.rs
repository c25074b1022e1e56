//! Reads JSON as Go's decoder does, which docker's clients rely on: the name of a struct's field counts
//! in any case, and keys of maps as they are.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// Of names that are the same in another case, the last one counts.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(AnyCase(value))
}

struct AnyCase(Value);

impl IntoDeserializer<'_, Error> for AnyCase {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for AnyCase {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(values) => {
                let mut values = SeqDeserializer::new(values.into_iter().map(AnyCase));
                let read = visitor.visit_seq(&mut values)?;
                values.end()?;
                Ok(read)
            }
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, AnyCase(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Object(given) = self.0 else { return self.deserialize_any(visitor) };
        let mut fields = Map::new();
        for (name, value) in given {
            let known = known.iter().find(|known| known.eq_ignore_ascii_case(&name));
            fields.insert(known.map_or(name, |known| (*known).to_owned()), value);
        }
        Self(Value::Object(fields)).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Outer {
        detach_keys: String,
        tty: bool,
        size: Option<(u16, u16)>,
        labels: BTreeMap<String, String>,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Inner {
        id: u64,
        rest: Value,
    }

    #[test]
    fn names_of_fields_count_in_any_case_and_keys_do_not() {
        let given = json!({
            "detachKeys": "ctrl-p", "TTY": true, "size": [1, 2], "labels": {"Key": "A", "key": "a"},
            "INNER": [{"ID": 7, "rest": {"aB": [null]}}], "unknown": {"x": 1},
        });
        let read: Outer = read(given).unwrap();
        assert_eq!((read.detach_keys.as_str(), read.tty, read.size), ("ctrl-p", true, Some((1, 2))));
        assert_eq!((read.labels["Key"].as_str(), read.labels["key"].as_str()), ("A", "a"));
        assert_eq!(read.inner, [Inner { id: 7, rest: json!({"aB": [null]}) }]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [json!({"tty": "x"}), json!({"size": [1, 2, 3]}), json!({"inner": [{"id": -1}]}), json!([1])] {
            assert!(read::<Outer>(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(read::<Outer>(json!({"Tty": false, "tty": true})).unwrap().tty);
    }
}
