//! Titles of instructions while they run.

/// The title of an instruction, with its flags as in `original`, the line it comes from.
pub(super) fn with_flags(shown: &str, original: &str) -> String {
    let flags = flags(original);
    let (keyword, rest) = shown.split_once(' ').unwrap_or((shown, ""));
    // It may already have one of them.
    let rest = after_flags(rest);
    if flags.is_empty() { shown.to_owned() } else { format!("{keyword} {flags} {rest}") }
}

/// The words after the keyword that start with two hyphens.
fn flags(original: &str) -> &str {
    let mut rest = after_word(original.trim_start());
    if original.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("ONBUILD ")) {
        rest = after_word(rest);
    }
    let words = after_flags(rest);
    rest[..rest.len() - words.len()].trim_end()
}

fn after_flags(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with("--") {
        rest = after_word(rest);
    }
    rest
}

/// What follows the first word and the blanks after it. Quoted blanks, and those after a backslash, are part of the
/// word.
fn after_word(text: &str) -> &str {
    let (mut quote, mut is_escaped) = (None, false);
    let ends = |character: char| {
        let is_plain = !is_escaped;
        is_escaped = is_plain && character == '\\';
        match (quote, character) {
            (Some(open), _) if is_plain && character == open => quote = None,
            (None, '"' | '\'') if is_plain => quote = Some(character),
            (None, _) if is_plain => return character.is_whitespace(),
            _ => {}
        }
        false
    };
    text.find(ends).map_or("", |end| text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stay_in_titles() {
        for (shown, original, wanted) in [
            ("RUN make", "RUN make", "RUN make"),
            (
                "RUN make",
                "RUN  --mount=type=cache,target=/c --network=none  make",
                "RUN --mount=type=cache,target=/c --network=none make",
            ),
            ("COPY --from=a b c", "copy --link --from=a --chown=1:1 b c", "COPY --link --from=a --chown=1:1 b c"),
            ("RUN ls", "ONBUILD RUN --mount=type=tmpfs,target=/t ls", "RUN --mount=type=tmpfs,target=/t ls"),
            ("COPY a b", "COPY --exclude=\"x y\" a b", "COPY --exclude=\"x y\" a b"),
            ("WORKDIR /a", "WORKDIR /a", "WORKDIR /a"),
        ] {
            assert_eq!(with_flags(shown, original), wanted);
        }
    }
}
