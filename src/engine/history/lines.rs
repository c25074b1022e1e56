//! Prepares the output of steps for the log: splits it into lines, and removes secrets.

use std::collections::HashMap;

/// Shorter values occur by chance.
const SHORTEST_SECRET: usize = 4;
const MARK: &[u8] = b"***";
/// Longer lines are written in pieces.
const LONGEST_LINE: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Lines {
    /// Incomplete lines by step.
    begun: HashMap<usize, Vec<u8>>,
    /// Longest first.
    secrets: Vec<Vec<u8>>,
}

impl Lines {
    /// Removes these values from now on.
    pub(super) fn conceal(&mut self, given: impl Iterator<Item = Vec<u8>>) {
        self.secrets.extend(given.flat_map(|value| lines_of(&value)));
        self.secrets.sort_by_key(|value| std::cmp::Reverse(value.len()));
        self.secrets.dedup();
    }

    /// Takes output of a step, which may end anywhere, and returns what can be written: complete lines, or a part of a
    /// very long line whose end is not within a secret.
    pub(super) fn push(&mut self, step: usize, bytes: &[u8]) -> Vec<u8> {
        let mut line = self.begun.remove(&step).unwrap_or_default();
        line.extend_from_slice(bytes);
        let rest = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => line.split_off(end + 1),
            None => std::mem::take(&mut line),
        };
        let mut out = without(&line, &self.secrets);
        if rest.len() <= LONGEST_LINE {
            self.keep(step, rest);
            return out;
        }
        let mut rest = without(&rest, &self.secrets);
        let kept = self.secrets.first().map_or(0, |longest| longest.len() - 1);
        let end = character_end(&rest, rest.len().saturating_sub(kept));
        let tail = rest.split_off(end);
        out.extend_from_slice(&rest);
        self.keep(step, tail);
        out
    }

    /// The rest of a step's output at its end.
    pub(super) fn end(&mut self, step: usize) -> Vec<u8> {
        without(&self.begun.remove(&step).unwrap_or_default(), &self.secrets)
    }

    /// The steps with incomplete lines.
    pub(super) fn steps(&self) -> Vec<usize> {
        self.begun.keys().copied().collect()
    }

    pub(super) fn hide(&self, text: &str) -> String {
        String::from_utf8_lossy(&without(text.as_bytes(), &self.secrets)).into_owned()
    }

    fn keep(&mut self, step: usize, rest: Vec<u8>) {
        if !rest.is_empty() {
            self.begun.insert(step, rest);
        }
    }
}

/// A secret as it is searched for in lines: a key of several lines is printed as several, without their newlines.
fn lines_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let lines = secret.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec());
    lines.filter(|line| line.len() >= SHORTEST_SECRET).collect()
}

/// The last position up to `end` that is not within a UTF-8 character. Bytes that are not UTF-8 are cut anywhere.
fn character_end(bytes: &[u8], end: usize) -> usize {
    const LONGEST: usize = 4;
    let is_begin = |at: usize| bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (end.saturating_sub(LONGEST - 1)..=end).rev().find(|at| is_begin(*at)).unwrap_or(end)
}

fn without(line: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut text = line.to_vec();
    for secret in secrets {
        if memchr::memmem::find(&text, secret).is_none() {
            continue;
        }
        let mut out = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(&text, secret) {
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(MARK);
            from = at + secret.len();
        }
        out.extend_from_slice(&text[from..]);
        text = out;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let secrets = lines_of(b"begin\r\nMIIEvQ\n}\n\nend of it\n");
        assert_eq!(secrets, [&b"begin"[..], b"MIIEvQ", b"end of it"]);
        assert_eq!(without(b"1 MIIEvQ\n", &secrets), b"1 ***\n");
    }

    #[test]
    fn secrets_are_left_out_of_lines() {
        let secrets = vec![b"sesame-open".to_vec(), b"sesame".to_vec()];
        assert_eq!(without(b"a sesame-open b sesame\n", &secrets), b"a *** b ***\n");
        assert_eq!(without(b"\xff\n", &secrets), b"\xff\n");
        let mut lines = Lines::default();
        lines.conceal([b"-----BEGIN-----\nabcdefghij\nklm\n".to_vec()].into_iter());
        assert_eq!(lines.push(0, b"x\nabcde"), b"x\n");
        assert_eq!(lines.push(0, b"fghij\n"), b"***\n");
        assert_eq!((lines.push(1, b"-----BEGIN"), lines.end(1)), (Vec::new(), b"-----BEGIN".to_vec()));
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters_and_secrets() {
        let mut lines = Lines::default();
        lines.conceal([b"sesame".to_vec()].into_iter());
        let mut text = "é".repeat(LONGEST_LINE);
        text += "ses";
        let first = lines.push(0, text.as_bytes());
        assert!(std::str::from_utf8(&first).is_ok() && first.len() > LONGEST_LINE);
        assert!(lines.push(0, b"ame end").is_empty());
        assert!(lines.end(0).ends_with("*** end".as_bytes()));
        // Nothing is lost of binary output.
        let mut lines = Lines::default();
        let binary = vec![0x80; LONGEST_LINE + 9];
        let mut all = lines.push(0, &binary);
        all.extend(lines.end(0));
        assert_eq!(all, binary);
    }
}
