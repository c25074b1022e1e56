//! Splits a program's output into lines, in linear time and with limited memory for each line.

use crate::cli::output::{Colours, visible};

/// The maximum length of a line in bytes.
pub const LONGEST: usize = 64 << 10;

/// What to do with longer lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Long {
    /// The rest is cut and counted: for people.
    Cut,
    /// It is split into several lines: for files and pipes.
    Split,
}

/// A line without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub bytes: &'a [u8],
    /// How many bytes after it were cut.
    pub left_out: u64,
}

/// Collects lines from pieces.
#[derive(Debug)]
pub struct Lines {
    long: Long,
    /// A carriage return ends a line.
    breaks_at_return: bool,
    begun: Vec<u8>,
    left_out: u64,
    /// The last line ended with a carriage return; a newline after it belongs to it.
    after_return: bool,
}

impl Lines {
    /// For a terminal: cuts long lines, and shows overwritten text line by line.
    pub fn for_terminal() -> Self {
        Self { breaks_at_return: true, ..Self::for_file(Long::Cut) }
    }

    pub fn for_file(long: Long) -> Self {
        Self { long, breaks_at_return: false, begun: Vec::new(), left_out: 0, after_return: false }
    }

    /// Calls `tell` with each line that is now complete.
    pub fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_return) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = match self.breaks_at_return {
                true => memchr::memchr2(b'\n', b'\r', rest),
                false => memchr::memchr(b'\n', rest),
            };
            self.add(&rest[..end.unwrap_or(rest.len())], &mut tell);
            let Some(end) = end else { return };
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end(&mut tell);
        }
    }

    /// Calls `tell` with the incomplete last line.
    pub fn finish(&mut self, mut tell: impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            self.end(&mut tell);
        }
    }

    fn add(&mut self, bytes: &[u8], tell: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while self.begun.len() + rest.len() > LONGEST {
            let (fitting, after) = rest.split_at(LONGEST - self.begun.len());
            self.begun.extend_from_slice(fitting);
            rest = after;
            if self.long == Long::Cut {
                self.left_out += rest.len() as u64;
                return;
            }
            let end = end_of_characters(&self.begun);
            tell(Line { bytes: &self.begun[..end], left_out: 0 });
            self.begun.drain(..end);
        }
        self.begun.extend_from_slice(rest);
    }

    fn end(&mut self, tell: &mut impl FnMut(Line<'_>)) {
        tell(Line { bytes: &self.begun, left_out: std::mem::take(&mut self.left_out) });
        self.begun.clear();
    }
}

impl Line<'_> {
    /// The line, safe for a terminal, with a note about what was cut.
    pub fn shown(&self) -> String {
        let text = visible(self.bytes, Colours::of_program());
        match self.left_out {
            0 => text.into_owned(),
            count => format!("{text} [{count} more bytes are not shown]"),
        }
    }
}

/// The end of the last complete character, so that none is split.
fn end_of_characters(bytes: &[u8]) -> usize {
    let first = bytes.iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80);
    let Some(first) = first.map(|back| bytes.len() - 1 - back) else { return bytes.len() };
    let length = match bytes[first] {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    if first + length > bytes.len() { first } else { bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, pieces: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
        let mut found = Vec::new();
        let mut keep = |line: Line<'_>| found.push((line.bytes.to_vec(), line.left_out));
        pieces.iter().for_each(|piece| lines.push(piece, &mut keep));
        lines.finish(&mut keep);
        found
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let texts = |lines: &mut Lines, pieces: &[&[u8]]| -> Vec<String> {
            all(lines, pieces).into_iter().map(|(line, _)| String::from_utf8(line).unwrap()).collect()
        };
        let pieces: &[&[u8]] = &[b"a", b"b\nc\n", b"\nd\re\r", b"\nf"];
        assert_eq!(texts(&mut Lines::for_file(Long::Split), pieces), ["ab", "c", "", "d\re\r", "f"]);
        assert_eq!(texts(&mut Lines::for_terminal(), pieces), ["ab", "c", "", "d", "e", "f"]);
    }

    #[test]
    fn a_long_line_is_cut_or_split() {
        let long = vec![b'y'; 3 * LONGEST + 5];
        let pieces: Vec<&[u8]> = long.chunks(1000).chain([&b"\nz"[..]]).collect();
        let cut = all(&mut Lines::for_terminal(), &pieces);
        assert_eq!(cut, [(vec![b'y'; LONGEST], 2 * LONGEST as u64 + 5), (b"z".to_vec(), 0)]);
        let split = all(&mut Lines::for_file(Long::Split), &pieces);
        assert_eq!(split.iter().map(|(line, _)| line.len()).collect::<Vec<_>>(), [LONGEST, LONGEST, LONGEST, 5, 1]);
        let umlauts = "ü".repeat(LONGEST);
        let split = all(&mut Lines::for_file(Long::Split), &[&b"x"[..], umlauts.as_bytes()]);
        assert!(split.iter().all(|(line, _)| std::str::from_utf8(line).is_ok()));
        assert_eq!(split.iter().map(|(line, _)| line.len()).sum::<usize>(), 2 * LONGEST + 1);
    }
}
