//! URLs without their users and passwords: whatever is shown, stored or hashed has none.

use std::borrow::Cow;
use std::ops::Range;

const MASK: &str = "xxxxx";

/// What ends the authority part of a URL (RFC 3986, 3.2), and what ends a URL in a text.
const ENDS: &[char] = &['/', '?', '#', '"', '\'', '`', '<', '>', '|', '\\'];

/// The text with its URLs stripped of what is before `@`. `ssh` and `git` URLs keep a user name: it is not a secret.
pub fn in_text(text: &str) -> Cow<'_, str> {
    replace(text, |_| MASK.to_owned())
}

/// The same, with everything that follows at its original column.
pub fn in_place(text: &str) -> Cow<'_, str> {
    replace(text, |hidden| "x".repeat(hidden.chars().count()))
}

fn replace(text: &str, mask: impl Fn(&str) -> String) -> Cow<'_, str> {
    let found = credentials(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for hidden in found {
        out.push_str(&text[done..hidden.start]);
        out.push_str(&mask(&text[hidden.clone()]));
        done = hidden.end;
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// Where the text has credentials.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let (scheme, start) = (&text[..from + at], from + at + "://".len());
        let rest = &text[start..];
        let end = rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(rest.len());
        from = start;
        let Some(length) = user_length(rest, end) else { continue };
        let is_login = ["ssh", "git"].iter().any(|login| scheme.ends_with(login));
        if !is_login || rest[..length].contains(':') {
            found.push(start..start + length);
            from = start + length;
        }
    }
    found
}

/// The length of the part before `@`. A password with a slash, which is invalid, still counts.
fn user_length(rest: &str, end: usize) -> Option<usize> {
    if let Some(length) = rest[..end].rfind('@') {
        return Some(length);
    }
    let (_, port) = rest[..end].rsplit_once(':')?;
    let is_port = port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
    if is_port { None } else { rest[..word].rfind('@') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_left() {
        for (text, expected) in [
            ("https://me:secret@h/r.git", "https://xxxxx@h/r.git"),
            ("https://token@h/r.git", "https://xxxxx@h/r.git"),
            ("https://me:s@cret@h:8/r.git", "https://xxxxx@h:8/r.git"),
            ("https://me:se/cret@h/r.git", "https://xxxxx@h/r.git"),
            ("ssh://git@h/r.git", "ssh://git@h/r.git"),
            ("ssh://me:secret@h/r.git", "ssh://xxxxx@h/r.git"),
            ("git@h:r.git and https://h/@scope/p", "git@h:r.git and https://h/@scope/p"),
            ("ADD http://a:b@h/x https://c:d@h/y /", "ADD http://xxxxx@h/x https://xxxxx@h/y /"),
            ("https://h:80/a@b http://[::1]/a@b", "https://h:80/a@b http://[::1]/a@b"),
            ("at \"https://a:b@h\": no", "at \"https://xxxxx@h\": no"),
            ("://", "://"),
        ] {
            assert_eq!(in_text(text), expected);
        }
        assert_eq!(in_place("ADD http://a:b@h/x /"), "ADD http://xxx@h/x /");
    }
}
