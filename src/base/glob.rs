//! Go's `filepath.Match`: docker's patterns, except those of ignore files, and docker's check of well-formed patterns.

/// The pattern is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

/// Whether `pattern` matches the whole of `name`: `*` and `?` stop at a slash, `[...]` holds characters and ranges, a
/// backslash takes the next character literally.
pub fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, BadPattern> {
    check(pattern)?;
    Ok(matches_from(pattern, name))
}

/// Whether the pattern is well formed.
pub fn check(mut pattern: &[u8]) -> Result<(), BadPattern> {
    while let Some((&first, rest)) = pattern.split_first() {
        pattern = match first {
            b'[' => class(rest, None)?.1,
            b'\\' => rest.split_first().ok_or(BadPattern)?.1,
            _ => rest,
        };
    }
    Ok(())
}

/// Whether the pattern is well formed up to its first star (not counting stars at its start): Go looks no further when
/// a name differs before that.
pub fn check_start(pattern: &[u8]) -> Result<(), BadPattern> {
    let mut rest = &pattern[pattern.iter().take_while(|&&byte| byte == b'*').count()..];
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'*' => return Ok(()),
            b'[' => class(after, None)?.1,
            b'\\' => after.split_first().ok_or(BadPattern)?.1,
            _ => after,
        };
    }
    Ok(())
}

/// Whether the pattern has anything that is not literal.
pub fn has_wildcard(pattern: &[u8]) -> bool {
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Matches a well-formed pattern. Only the last star needs backtracking: whatever an earlier one could take more of,
/// the later one takes.
fn matches_from(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, name));
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        if let Some((rest_pattern, rest_name)) = match_one(pattern, name) {
            (pattern, name) = (rest_pattern, rest_name);
            continue;
        }
        match retry {
            Some((after_star, [byte, rest @ ..])) if *byte != b'/' => {
                (pattern, name) = (after_star, rest);
                retry = Some((after_star, rest));
            }
            _ => return false,
        }
    }
}

/// Matches one element of the pattern that is not a star.
fn match_one<'p, 'n>(pattern: &'p [u8], name: &'n [u8]) -> Option<(&'p [u8], &'n [u8])> {
    let (&first, rest) = pattern.split_first()?;
    let &byte = name.first()?;
    match first {
        b'[' => {
            let (character, length) = decode(name);
            let (matched, rest) = class(rest, Some(character)).ok()?;
            matched.then_some((rest, &name[length..]))
        }
        b'?' => (byte != b'/').then(|| (rest, &name[decode(name).1..])),
        b'\\' => (rest.first() == Some(&byte)).then(|| (&rest[1..], &name[1..])),
        _ => (first == byte).then_some((rest, &name[1..])),
    }
}

/// Reads a class after its bracket. Returns whether it contains `character`, and the rest of the pattern.
fn class(mut rest: &[u8], character: Option<u32>) -> Result<(bool, &[u8]), BadPattern> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = &rest[1..];
    }
    let (mut found, mut empty) = (false, true);
    loop {
        if let ([b']', after @ ..], false) = (rest, empty) {
            return Ok((found != negated, after));
        }
        let (low, after) = class_character(rest)?;
        let (high, after) = match after {
            [b'-', after @ ..] => class_character(after)?,
            _ => (low, after),
        };
        found |= character.is_some_and(|character| (low..=high).contains(&character));
        (rest, empty) = (after, false);
    }
}

/// A character of a class, possibly escaped; something has to follow it.
fn class_character(rest: &[u8]) -> Result<(u32, &[u8]), BadPattern> {
    let rest = match rest {
        [] | [b'-' | b']', ..] => return Err(BadPattern),
        [b'\\', rest @ ..] => rest,
        _ => rest,
    };
    let (character, length) = decode(rest);
    let invalid = character == INVALID && length == 1;
    if rest.len() <= length || invalid { Err(BadPattern) } else { Ok((character, &rest[length..])) }
}

/// Go reads invalid UTF-8 as this character, one byte long.
const INVALID: u32 = 0xfffd;

/// The first character and its length.
fn decode(text: &[u8]) -> (u32, usize) {
    let longest = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&longest[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((INVALID, 1.min(text.len())), |character| (character as u32, character.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let cases = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("a?b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("*x", "xxx", true),
            ("[!a]", "!", true),
            ("a[/]b", "a/b", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), Ok(expected), "{pattern} {name}");
        }
        assert_eq!(matches(b"a?b", b"a\xffb"), Ok(true));
    }

    #[test]
    fn malformed_patterns_are_told_wherever_they_are_wrong() {
        for pattern in ["[", "[^", "[^bc", "a[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "\\", "zzz*[", "[\\]", "[a"]
        {
            assert_eq!(matches(pattern.as_bytes(), b"a"), Err(BadPattern), "{pattern}");
        }
    }
}
