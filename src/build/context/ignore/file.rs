//! The lines of an ignore file.

use super::PatternError;
use super::pattern::{clean, trim};

/// The longest line that docker's reader accepts, without its line end.
const MAX_LINE: usize = 65_535;

/// The patterns, each with its line, counted from 1.
pub(super) fn patterns(text: &[u8]) -> Result<Vec<(usize, Vec<u8>)>, PatternError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut patterns = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if line.len() > MAX_LINE {
            return Err(PatternError::LineTooLong { line: index + 1 });
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            continue;
        }
        let line = trim(line);
        if !line.is_empty() {
            patterns.push((index + 1, cleaned(line)));
        }
    }
    Ok(patterns)
}

/// An absolute pattern is relative to the context's root; there may be white space after `!`.
fn cleaned(line: &[u8]) -> Vec<u8> {
    let (negated, pattern) = match line {
        [b'!', rest @ ..] => (true, trim(rest)),
        _ => (false, line),
    };
    let mut pattern = if pattern.is_empty() { Vec::new() } else { clean(pattern) };
    if pattern.len() > 1 && pattern[0] == b'/' {
        pattern.remove(0);
    }
    if negated {
        pattern.insert(0, b'!');
    }
    pattern
}
