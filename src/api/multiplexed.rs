//! docker's two outputs in one stream: frames with a header of eight bytes (output, three zeros, length) and the data.

use std::io::{self, Write};

/// One of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Stdout = 1,
    Stderr = 2,
}

/// How outputs are written: in frames, or raw for a terminal, which has only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Frames,
    Plain,
}

impl Framing {
    pub fn of(terminal: bool) -> Self {
        if terminal { Self::Plain } else { Self::Frames }
    }

    /// Writes the data immediately.
    pub fn write(self, out: &mut impl Write, channel: Channel, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain => out.write_all(bytes),
            Self::Frames => {
                let length = u32::try_from(bytes.len()).map_err(io::Error::other)?.to_be_bytes();
                let head = [channel as u8, 0, 0, 0];
                out.write_all(&[head.as_slice(), &length, bytes].concat())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let mut out = Vec::new();
        Framing::Frames.write(&mut out, Channel::Stderr, b"ab").unwrap();
        Framing::Plain.write(&mut out, Channel::Stderr, b"c").unwrap();
        assert_eq!(out, b"\x02\0\0\0\0\0\0\x02abc");
    }
}
