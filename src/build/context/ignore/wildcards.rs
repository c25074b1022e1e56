//! Matches patterns of plain text and wildcards without a regular expression: most patterns are simple, and a context
//! has many paths.

/// More wildcards would need too much backtracking.
const WILDCARD_LIMIT: usize = 4;

/// A pattern, with the meaning of docker's regular expression for it.
#[derive(Debug)]
pub(super) struct Wildcards {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    /// `?`: one character except a slash.
    One,
    /// `*`: any characters except slashes.
    Name,
    /// `**` before something else: nothing, or anything that ends with a slash.
    Folders,
    /// `**` at the end.
    Rest,
}

impl Wildcards {
    /// `None` if the pattern is not that simple.
    pub fn new(pattern: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' if rest.first() == Some(&b'*') => {
                    rest = &rest[1..];
                    rest = rest.strip_prefix(b"/").unwrap_or(rest);
                    parts.push(if rest.is_empty() { Part::Rest } else { Part::Folders });
                }
                b'*' => parts.push(Part::Name),
                b'?' => parts.push(Part::One),
                b'[' | b']' | b'\\' | b'|' | b'{' | b'}' | b'^' => return None,
                byte if !byte.is_ascii() => return None,
                byte => match parts.last_mut() {
                    Some(Part::Text(text)) => text.push(byte),
                    _ => parts.push(Part::Text(vec![byte])),
                },
            }
        }
        let wildcards = parts.iter().filter(|part| !matches!(part, Part::Text(_) | Part::One)).count();
        (wildcards <= WILDCARD_LIMIT).then_some(Self { parts })
    }

    /// Whether the whole path matches; `None` for a path that needs the regular expression: Go's `.` does not match a
    /// newline, and Go reads invalid UTF-8 in its own way.
    pub fn matches(&self, path: &[u8]) -> Option<bool> {
        path.is_ascii().then_some(())?;
        (memchr::memchr(b'\n', path).is_none()).then(|| matches(&self.parts, path))
    }
}

fn matches(parts: &[Part], path: &[u8]) -> bool {
    let Some((part, parts)) = parts.split_first() else { return path.is_empty() };
    match part {
        Part::Text(text) => path.strip_prefix(text.as_slice()).is_some_and(|rest| matches(parts, rest)),
        Part::One => path.split_first().is_some_and(|(byte, rest)| *byte != b'/' && matches(parts, rest)),
        Part::Name => {
            let reach = memchr::memchr(b'/', path).unwrap_or(path.len());
            match parts {
                [] => reach == path.len(),
                // The text is the end of the pattern: there is only one position for it.
                [Part::Text(text)] => {
                    path.len() >= text.len() && path.len() - text.len() <= reach && path.ends_with(text)
                }
                _ => (0..=reach).any(|taken| matches(parts, &path[taken..])),
            }
        }
        Part::Folders => {
            matches(parts, path) || memchr::memchr_iter(b'/', path).any(|slash| matches(parts, &path[slash + 1..]))
        }
        Part::Rest => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stop_at_slashes() {
        let is = |pattern: &str, path: &str| Wildcards::new(pattern.as_bytes()).unwrap().matches(path.as_bytes());
        for (pattern, path) in [
            ("*.log", "a.log"),
            ("a?c", "abc"),
            ("a/**/*.o", "a/b.o"),
            ("a/**/*.o", "a/x/y/b.o"),
            ("**/d/**", "d/x"),
            ("**/d/**", "a/d/x/y"),
            ("a**b", "ax/b"),
            ("b/*/c", "b/x/c"),
        ] {
            assert_eq!(is(pattern, path), Some(true), "{pattern} {path}");
        }
        for (pattern, path) in
            [("*.log", "a/b.log"), ("a?c", "a/c"), ("a/**/*.o", "ab.o"), ("**/d/**", "ad/x"), ("b/*/c", "b/x/y/c")]
        {
            assert_eq!(is(pattern, path), Some(false), "{pattern} {path}");
        }
        assert_eq!(is("*", "a\nb"), None);
        assert_eq!(is("*", "é"), None);
        for pattern in ["[a]", "a\\b", "a|b", "é*", "*a*b*c*d*e"] {
            assert!(Wildcards::new(pattern.as_bytes()).is_none(), "{pattern}");
        }
    }
}
