//! The grammar of references: `[domain/]path[:tag][@digest]`. It is matched by hand, because compiling a regular
//! expression takes longer than a whole cached build may take.

/// The pieces of a reference that matched.
pub struct Parts<'a> {
    /// Empty when the first word can't be a host (`x_y.z/w`).
    pub domain: &'a str,
    pub path: &'a str,
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

pub const BAD_TAG: &str =
    "a tag has letters, digits, `_`, `.` and `-`, starts with none of the last two, and is at most 128 long";

/// 64 hexadecimal digits, which docker reads as an image ID.
pub fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && is_word(bytes[0])
        && bytes[1..].iter().all(|&b| is_word(b) || b == b'.' || b == b'-')
}

/// The pieces of `text`; `None` if it is not a reference.
pub fn parse(text: &str) -> Option<Parts<'_>> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return None;
    }
    // A colon after the last slash starts the tag; one before belongs to the domain's port.
    let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[name_end..].split_once(':') {
        Some((last, tag)) => (&rest[..name_end + last.len()], Some(tag)),
        None => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return None;
    }
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if is_domain(domain) => (domain, path),
        _ => ("", name),
    };
    is_path(path).then_some(Parts { domain, path, tag, digest })
}

/// What the user has to change in a text that did not match.
pub fn explain(text: &str) -> &'static str {
    let name = text.split('@').next().unwrap_or(text);
    let last = name.rsplit('/').next().unwrap_or(name);
    if text.is_empty() {
        "the name is empty"
    } else if text.contains("://") {
        "an image name has no `scheme://`"
    } else if text.contains(char::is_whitespace) {
        "an image name has no blanks"
    } else if text.contains(['$', '{', '}']) {
        "a variable in it was not expanded"
    } else if !text.is_ascii() {
        "an image name has ASCII letters only"
    } else if name.ends_with(':') {
        "the tag after `:` is empty"
    } else if name.len() != text.len() && !is_digest(&text[name.len() + 1..]) {
        "what follows `@` is not a digest of the form algorithm:hexadecimal"
    } else if last.split_once(':').is_some_and(|(_, tag)| !is_tag(tag)) {
        BAD_TAG
    } else if text.starts_with('/') || name.ends_with('/') || text.contains("//") {
        "a part between slashes is empty"
    } else {
        "parts of a repository name are lower-case letters and digits, joined by `.`, `_`, `__` or dashes"
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let is_address = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    port.is_none_or(is_port) && host.split('.').all(is_domain_component)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_domain_component(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// Lower-case letters and digits, in runs joined by one dot, one or two underscores, or any number of dashes.
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.starts_with(is_alphanumeric) || !text.ends_with(is_alphanumeric) {
        return false;
    }
    text.split(is_alphanumeric)
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

/// `algorithm:hexadecimal`, at least 32 digits; the algorithm's words are joined by one of `+ . - _`.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['+', '.', '-', '_']).all(is_word) && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}
