//! The strings of the exec form, decoded.

/// The text between the quotes of a JSON string that matches the grammar. Half a surrogate pair becomes U+FFFD.
pub(super) fn decode(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        result.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('u') => {
                rest = push_unit(&mut result, characters.as_str());
                continue;
            }
            Some('b') => result.push('\u{8}'),
            Some('f') => result.push('\u{c}'),
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('t') => result.push('\t'),
            Some(other) => result.push(other),
            None => {}
        }
        rest = characters.as_str();
    }
    result.push_str(rest);
    result
}

/// Reads the four digits after `\u`, and a second unit if the first requires one; returns the rest.
fn push_unit<'t>(result: &mut String, text: &'t str) -> &'t str {
    let (first, rest) = unit(text);
    if (0xd800..0xdc00).contains(&first)
        && let Some(second_text) = rest.strip_prefix("\\u")
    {
        let (second, after) = unit(second_text);
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            result.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            return after;
        }
    }
    result.push(char::from_u32(first).unwrap_or('\u{fffd}'));
    rest
}

fn unit(text: &str) -> (u32, &str) {
    let digits = text.get(..4).unwrap_or(text);
    (u32::from_str_radix(digits, 16).unwrap_or(0xfffd), &text[digits.len()..])
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes() {
        assert_eq!(decode(r#"a\n\"\\\/\u0041"#), "a\n\"\\/A");
        assert_eq!(decode(r"\ud83d\ude00-\ud83d-\ude00\ud83d\u0041"), "😀-\u{fffd}-\u{fffd}\u{fffd}A");
    }
}
