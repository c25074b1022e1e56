//! JSON as Go's encoding/json writes it, so that what rbuild writes has the bytes that BuildKit would write.

use std::io;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// `null` counts as the default, as it does for Go.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Escapes what Go escapes on top of JSON's own demands: `<`, `>`, `&`, and the two line separators of Unicode.
struct GoFormatter<F>(F);

macro_rules! forward {
    ($($name:ident ( $($argument:ident : $type:ty),* )),* $(,)?) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for GoFormatter<F> {
    forward! {
        begin_array(), end_array(), begin_array_value(first: bool), end_array_value(),
        begin_object(), end_object(), begin_object_key(first: bool), end_object_key(),
        begin_object_value(), end_object_value(),
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let Some(special) = rest[at..].chars().next() else { break };
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &rest[at + special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The value on one line.
pub fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter)))?;
    Ok(out)
}

/// The value indented by `indent`.
pub fn to_vec_indented(value: &impl Serialize, indent: &str) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    let formatter = GoFormatter(PrettyFormatter::with_indent(indent.as_bytes()));
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        let text = "a && b > \"c\"\u{2028}é\n";
        assert_eq!(
            to_vec(&text).unwrap(),
            br#""a \u0026\u0026 b \u003e \"c\"\u2028"#.iter().copied().chain("é\\n\"".bytes()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn indentation_keeps_the_order_of_fields() {
        let bytes = to_vec_indented(&serde_json::json!({"a": [1], "b": {}}), "  ").unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    }
}
