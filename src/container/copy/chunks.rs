//! A byte stream of unknown length within a connection: chunks prefixed with their length, an empty chunk at the end,
//! and after it the sender's outcome. A stream without that is incomplete.

use std::io::{self, Read, Write};

use super::CopyError;
use crate::base::framed::{receive, send};

/// The size limit of a chunk.
const MOST_BYTES: usize = 1 << 20;

pub(super) struct ChunkWriter<W> {
    inner: W,
    /// The number of bytes sent.
    pub(super) bytes: u64,
}

impl<W: Write> ChunkWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, bytes: 0 }
    }

    /// Ends the stream, and sends the outcome.
    pub(super) fn finish(mut self, outcome: &Result<(), CopyError>) -> io::Result<()> {
        self.inner.write_all(&0u32.to_le_bytes())?;
        send(&mut self.inner, outcome)?;
        self.inner.flush()
    }
}

impl<W: Write> Write for ChunkWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
        if !bytes.is_empty() {
            self.inner.write_all(&(bytes.len() as u32).to_le_bytes())?;
            self.inner.write_all(bytes)?;
            self.bytes += bytes.len() as u64;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub(super) struct ChunkReader<R> {
    inner: R,
    /// What is left of the current chunk.
    left: usize,
    has_ended: bool,
    /// The number of bytes received.
    pub(super) bytes: u64,
}

impl<R: Read> ChunkReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, left: 0, has_ended: false, bytes: 0 }
    }

    /// Whether everything except the sender's outcome has been received.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Skips what is left, and returns the sender's outcome.
    pub(super) fn finish(mut self) -> Result<u64, CopyError> {
        let broken = |error: io::Error| CopyError(format!("the other side of the copy has ended early: {error}"));
        io::copy(&mut self, &mut io::sink()).map_err(broken)?;
        receive::<Result<(), CopyError>>(&mut self.inner).map_err(broken)??;
        Ok(self.bytes)
    }
}

impl<R: Read> Read for ChunkReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.has_ended {
            let mut length = [0; 4];
            self.inner.read_exact(&mut length)?;
            self.left = u32::from_le_bytes(length) as usize;
            self.has_ended = self.left == 0;
            if self.left > MOST_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let wanted = buffer.len().min(self.left);
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &[u8], outcome: &Result<(), CopyError>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ChunkWriter::new(&mut out);
        writer.write_all(content).unwrap();
        writer.finish(outcome).unwrap();
        out
    }

    #[test]
    fn a_stream_ends_with_what_the_sender_says() {
        let content = vec![7; MOST_BYTES + 3];
        let whole = written(&content, &Ok(()));
        let mut reader = ChunkReader::new(whole.as_slice());
        let mut found = Vec::new();
        reader.read_to_end(&mut found).unwrap();
        assert!(found == content && reader.finish().unwrap() == content.len() as u64);
        let failed = written(b"some", &Err(CopyError("it broke".to_owned())));
        assert_eq!(ChunkReader::new(failed.as_slice()).finish().unwrap_err().0, "it broke");
    }

    #[test]
    fn a_stream_that_stops_is_an_error() {
        let whole = written(b"some bytes", &Ok(()));
        for length in 0..whole.len() {
            assert!(ChunkReader::new(&whole[..length]).finish().is_err(), "{length}");
        }
    }
}
