//! Small rules about text that several parts of the language share.

use std::fmt::Write as _;

/// The text in double quotes, with invisible characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for character in text.chars() {
        match character {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            '\u{7}' => result.push_str("\\a"),
            '\u{8}' => result.push_str("\\b"),
            '\u{b}' => result.push_str("\\v"),
            '\u{c}' => result.push_str("\\f"),
            ' '..='~' => result.push(character),
            '\0'..='\u{7f}' => _ = write!(result, "\\x{:02x}", u32::from(character)),
            _ if is_invisible(character) => _ = write!(result, "\\u{:04x}", u32::from(character)),
            _ => result.push(character),
        }
    }
    result.push('"');
    result
}

fn is_invisible(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}
