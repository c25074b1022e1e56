//! A line of a log, in docker's JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The stream that a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Standard output, or a terminal's.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Including its newline, unless the line was cut at 16 KiB.
#[derive(Debug, PartialEq, Deserialize)]
pub struct LogLine<'a> {
    /// The text, with its newline.
    #[serde(borrow)]
    pub log: Cow<'a, str>,
    /// Where it was written to.
    pub stream: Source,
    /// When it was read from the program.
    pub time: jiff::Timestamp,
    /// What the log driver adds to every line.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Appends a line; `attributes` is JSON with a leading comma, or empty.
pub(super) fn write(out: &mut Vec<u8>, text: &[u8], source: Source, attributes: &str, time: &str) {
    out.extend(br#"{"log":""#);
    // As in Go: each byte that is not valid UTF-8 is replaced separately.
    for chunk in text.utf8_chunks() {
        escape(out, chunk.valid().as_bytes());
        chunk.invalid().iter().for_each(|_| out.extend(br"\ufffd"));
    }
    out.extend(br#"","stream":""#);
    out.extend(source.name().as_bytes());
    out.push(b'"');
    out.extend(attributes.as_bytes());
    out.extend(br#","time":""#);
    out.extend(time.as_bytes());
    out.extend(b"\"}\n");
}

/// A table, because everything that a container prints goes through it.
static IS_SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = byte < 0x20 || matches!(byte as u8, b'"' | b'\\' | b'<' | b'>' | b'&');
        byte += 1;
    }
    table
};

/// As in Go: `<`, `>` and `&` too.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| IS_SPECIAL[usize::from(*byte)]).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        let Some(special) = rest.get(plain) else { return };
        match special {
            b'\n' => out.extend(br"\n"),
            b'\r' => out.extend(br"\r"),
            b'\t' => out.extend(br"\t"),
            b'"' | b'\\' => out.extend([b'\\', *special]),
            _ => {
                out.extend(br"\u00");
                out.extend([HEX[usize::from(special >> 4)], HEX[usize::from(special & 15)]]);
            }
        }
        rest = &rest[plain + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let time = "2026-11-21T12:00:00.5Z";
        let mut out = Vec::new();
        write(&mut out, b"a\"<\\\x01\t\xc3\xa9\xff\xe2\x82\r\n", Source::Stderr, r#","attrs":{"k":"v"}"#, time);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(r#"{"log":"a\"\u003c\\\u0001\té\ufffd\ufffd\ufffd\r"#), "{text}");
        let line: LogLine<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(line.log, "a\"<\\\x01\té\u{fffd}\u{fffd}\u{fffd}\r\n");
        assert_eq!((line.stream, line.time), (Source::Stderr, time.parse().unwrap()));
        assert_eq!(line.attrs["k"], "v");
    }
}
