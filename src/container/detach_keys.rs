//! The keys that end a session without ending the program: `ctrl-p,ctrl-q` by default.

use super::error::ContainerError;

const USUAL: [u8; 2] = [16, 17];

/// A key sequence, and how much of it has been typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    typed: usize,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self { keys: USUAL.to_vec(), typed: 0 }
    }
}

impl DetachKeys {
    /// No key ends the session.
    pub(super) fn none() -> Self {
        Self { keys: Vec::new(), typed: 0 }
    }

    /// Parses docker's form: letters and `ctrl-` with a letter or one of `@[\]^_`, separated by commas.
    pub fn parse(text: &str) -> Result<Self, ContainerError> {
        let wrong = || ContainerError::DetachKeys { text: text.to_owned() };
        let key = |word: &str| match (word.as_bytes(), word.strip_prefix("ctrl-").map(str::as_bytes)) {
            ([byte], _) => Ok(*byte),
            (_, Some([letter @ (b'a'..=b'z')])) => Ok(letter - b'a' + 1),
            (_, Some([letter @ (b'@' | b'['..=b'_')])) => Ok(letter - b'@'),
            (b"DEL", _) => Ok(127),
            _ => Err(wrong()),
        };
        if text.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { keys: text.split(',').map(key).collect::<Result<_, _>>()?, typed: 0 })
    }

    /// Returns which of the typed bytes go to the program, and whether the sequence is complete. An incomplete sequence
    /// is held back until it is clear what it is.
    pub fn filter(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len());
        if self.keys.is_empty() {
            return (bytes.to_vec(), false);
        }
        for &byte in bytes {
            if byte != self.keys[self.typed] {
                passed.extend_from_slice(&self.keys[..self.typed]);
                self.typed = 0;
            }
            if byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    return (passed, true);
                }
            } else {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
        assert_eq!(DetachKeys::parse("ctrl-@,x,ctrl-_").unwrap().keys, [0, b'x', 31]);
        for wrong in ["ctrl-", "ctrl-A", "ab", "a,,b", "ctrl-1"] {
            assert!(DetachKeys::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_only_begins_like_it_reaches_the_program() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.filter(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(keys.filter(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(keys.filter(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.filter(b"\x11z"), (Vec::new(), true));
        assert_eq!(DetachKeys::none().filter(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }
}
