//! A file's content with exactly the announced length, whatever its writer does meanwhile: data behind a header in a
//! stream must not be taken for the next header.

use std::io::{self, Read};

/// Ends after the announced length. If the file has become shorter, the rest is zeros.
#[derive(Debug)]
pub struct ExactLength<R> {
    inner: R,
    left: u64,
    /// The number of bytes that were missing.
    missing: u64,
}

impl<R: Read> ExactLength<R> {
    /// Reads `length` bytes of `inner`.
    pub fn new(inner: R, length: u64) -> Self {
        Self { inner, left: length, missing: 0 }
    }

    /// How many of the bytes read are zeros in place of missing ones.
    pub fn missing(&self) -> u64 {
        self.missing
    }
}

impl<R: Read> Read for ExactLength<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..wanted];
        let mut count = if self.missing == 0 { self.inner.read(buffer)? } else { 0 };
        if count == 0 && wanted > 0 {
            buffer.fill(0);
            count = wanted;
            self.missing += wanted as u64;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_what_was_said() {
        let read = |content: &[u8], length| {
            let mut exact = ExactLength::new(content, length);
            let mut bytes = Vec::new();
            exact.read_to_end(&mut bytes).unwrap();
            (bytes, exact.missing())
        };
        assert_eq!(read(b"abc", 3), (b"abc".to_vec(), 0));
        assert_eq!(read(b"abcdef", 3), (b"abc".to_vec(), 0));
        assert_eq!(read(b"a", 3), (b"a\0\0".to_vec(), 2));
        assert_eq!(read(b"abc", 0), (Vec::new(), 0));
    }
}
