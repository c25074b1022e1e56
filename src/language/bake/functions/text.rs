//! Functions on text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    Failure, Function, MAX_TEXT, Outcome, Parameter, Wanted, count, function, nullable, parameter, text, text_of,
    too_long, variadic, whole,
};
use crate::language::bake::value::{Value, from_json, to_json};

const STR: Parameter = parameter("str", Wanted::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    function("base64decode", &[STR], base64_decode),
    function("base64encode", &[STR], |all| text(STANDARD.encode(text_of(all, 0)))),
    function("basename", &[parameter("path", Wanted::Text)], |all| text(base_name(text_of(all, 0)))),
    function("dirname", &[parameter("path", Wanted::Text)], |all| text(folder_name(text_of(all, 0)))),
    function("byteslen", &[parameter("buf", Wanted::Bytes)], |_| Err(Failure::new("no buffer"))),
    function(
        "bytesslice",
        &[parameter("buf", Wanted::Bytes), parameter("offset", Wanted::Number), parameter("length", Wanted::Number)],
        |_| Err(Failure::new("no buffer")),
    ),
    function("chomp", &[STR], |all| text(text_of(all, 0).trim_end_matches(['\r', '\n']))),
    function("indent", &[parameter("spaces", Wanted::Number), STR], indent),
    variadic("join", &[parameter("separator", Wanted::Text)], parameter("lists", Wanted::Texts), join),
    function("jsondecode", &[STR], |all| Ok(from_json(text_of(all, 0))?)),
    function("jsonencode", &[nullable("val")], |all| text(to_json(&all[0])?)),
    function("lower", &[STR], |all| text(text_of(all, 0).chars().map(lower).collect::<String>())),
    function("upper", &[STR], |all| text(text_of(all, 0).chars().map(upper).collect::<String>())),
    function("replace", &[STR, parameter("substr", Wanted::Text), parameter("replace", Wanted::Text)], replace),
    function("reverse", &[STR], |all| text(text_of(all, 0).graphemes(true).rev().collect::<String>())),
    function("sanitize", &[parameter("name", Wanted::Text)], |all| {
        let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        text(text_of(all, 0).chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect::<String>())
    }),
    function("split", &[parameter("separator", Wanted::Text), STR], split),
    function("strlen", &[STR], |all| Ok(count(text_of(all, 0).graphemes(true).count()))),
    function("substr", &[STR, parameter("offset", Wanted::Number), parameter("length", Wanted::Number)], substr),
    function("title", &[STR], |all| text(title(text_of(all, 0)))),
    function("trim", &[STR, parameter("cutset", Wanted::Text)], |all| {
        let cut: Vec<char> = text_of(all, 1).chars().collect();
        text(text_of(all, 0).trim_matches(cut.as_slice()))
    }),
    function("trimprefix", &[STR, parameter("prefix", Wanted::Text)], |all| {
        let whole = text_of(all, 0);
        text(whole.strip_prefix(text_of(all, 1)).unwrap_or(whole))
    }),
    function("trimsuffix", &[STR, parameter("suffix", Wanted::Text)], |all| {
        let whole = text_of(all, 0);
        text(whole.strip_suffix(text_of(all, 1)).unwrap_or(whole))
    }),
    function("trimspace", &[STR], |all| text(text_of(all, 0).trim())),
    function("urlencode", &[STR], |all| text(url_encode(text_of(all, 0)))),
];

fn base64_decode(all: &[Value]) -> Outcome {
    let encoded = text_of(all, 0);
    // Line ends are skipped, as in Go's decoder.
    let plain: String = encoded.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    let bytes =
        STANDARD.decode(plain).map_err(|_| Failure::new(format!("failed to decode base64 data '{encoded}'")))?;
    let decoded = String::from_utf8(bytes)
        .map_err(|_| Failure::new("the result of decoding the provided string is not valid UTF-8"))?;
    text(decoded)
}

fn base_name(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

fn folder_name(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

/// The shortest equivalent path, as from Go's `path.Clean`.
pub(in crate::language::bake) fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if is_absolute => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn indent(all: &[Value]) -> Outcome {
    let spaces = whole(all, 0)?;
    let data = text_of(all, 1);
    let Ok(spaces) = usize::try_from(spaces) else {
        return Err(Failure::new("the number of spaces must not be negative"));
    };
    let lines = data.matches('\n').count();
    if spaces.saturating_mul(lines).saturating_add(data.len()) > MAX_TEXT {
        return Err(too_long());
    }
    text(data.replace('\n', &format!("\n{}", " ".repeat(spaces.min(MAX_TEXT)))))
}

fn join(all: &[Value]) -> Outcome {
    if all.len() < 2 {
        return Err(Failure::new("at least one list is required"));
    }
    let mut items: Vec<&str> = Vec::new();
    let mut length = 0usize;
    for (list_index, list) in all.iter().enumerate().skip(1) {
        for (index, element) in list.elements().unwrap_or_default().iter().enumerate() {
            let Some(item) = element.as_text() else {
                let place = if all.len() > 2 { format!(" of list {list_index}") } else { String::new() };
                let message = format!("element {index}{place} is null; cannot concatenate null values");
                return Err(Failure::argument(list_index, message));
            };
            length += item.len() + text_of(all, 0).len();
            if length > MAX_TEXT {
                return Err(too_long());
            }
            items.push(item);
        }
    }
    text(items.join(text_of(all, 0)))
}

fn replace(all: &[Value]) -> Outcome {
    let (whole, old, new) = (text_of(all, 0), text_of(all, 1), text_of(all, 2));
    let found = whole.matches(old).count();
    if found.saturating_mul(new.len()).saturating_add(whole.len()) > MAX_TEXT {
        return Err(too_long());
    }
    text(whole.replace(old, new))
}

fn split(all: &[Value]) -> Outcome {
    let (separator, whole) = (text_of(all, 0), text_of(all, 1));
    let parts: Vec<String> = if separator.is_empty() {
        whole.chars().map(String::from).collect()
    } else {
        whole.split(separator).map(str::to_owned).collect()
    };
    Ok(Value::strings(parts))
}

fn substr(all: &[Value]) -> Outcome {
    let letters: Vec<&str> = text_of(all, 0).graphemes(true).collect();
    let (offset, length) = (whole(all, 1)?, whole(all, 2)?);
    let start = if offset < 0 {
        usize::try_from(offset + i64::try_from(letters.len()).unwrap_or(i64::MAX)).unwrap_or_default()
    } else if length == 0 {
        return text("");
    } else {
        usize::try_from(offset).unwrap_or(usize::MAX)
    };
    let rest = letters.get(start.min(letters.len())..).unwrap_or_default();
    match usize::try_from(length) {
        Err(_) => text(rest.concat()),
        // With an offset from the end, a missing length means the rest.
        Ok(0) => text(rest.concat()),
        Ok(length) => text(rest[..length.min(rest.len())].concat()),
    }
}

/// Letter by letter: a letter that would become several stays.
fn upper(letter: char) -> char {
    let mut mapped = letter.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

fn title(text: &str) -> String {
    let mut starts_word = true;
    text.chars()
        .map(|letter| {
            let mapped = if starts_word { upper(letter) } else { letter };
            starts_word = if letter.is_ascii() {
                !(letter.is_ascii_alphanumeric() || letter == '_')
            } else {
                !letter.is_alphanumeric() && letter.is_whitespace()
            };
            mapped
        })
        .collect()
}

fn url_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
