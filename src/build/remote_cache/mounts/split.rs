//! Splits a tar stream into pieces: headers and padding verbatim, contents of files as chunks. Concatenated, the pieces
//! always give the stream, even if something was misinterpreted.

use std::io::{self, Write};

use super::chunk::{LONGEST, cut};

const BLOCK: usize = 512;

/// Receives the pieces.
pub trait Pieces {
    fn literal(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn chunk(&mut self, bytes: &[u8]) -> io::Result<()>;
}

pub struct Splitter<P> {
    pieces: P,
    state: State,
    /// Incomplete data: a block, an extended header, or the start of a chunk.
    buffer: Vec<u8>,
    /// The size of the next file, if its header cannot hold it.
    next_size: Option<u64>,
}

#[derive(Clone, Copy)]
enum State {
    Header,
    /// An extended header of this many bytes, padding included.
    Extended(usize),
    /// The rest of a file and its padding.
    Content {
        left: u64,
        padding: usize,
    },
    Padding(usize),
}

impl<P: Pieces> Splitter<P> {
    pub fn new(pieces: P) -> Self {
        Self { pieces, state: State::Header, buffer: Vec::new(), next_size: None }
    }

    /// Passes the rest on verbatim.
    pub fn finish(mut self) -> io::Result<P> {
        let rest = std::mem::take(&mut self.buffer);
        match self.state {
            State::Content { .. } if !rest.is_empty() => self.pieces.chunk(&rest)?,
            _ => self.pieces.literal(&rest)?,
        }
        Ok(self.pieces)
    }

    /// Takes bytes until the buffer has `wanted` bytes; returns how many were taken.
    fn collect(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let count = bytes.len().min(wanted - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        count
    }

    fn header(&mut self) -> io::Result<()> {
        self.pieces.literal(&self.buffer)?;
        let kind = self.buffer[156];
        let own_size = octal(&self.buffer[124..136]);
        self.state = match kind {
            b'x' => State::Extended(padded(own_size) as usize),
            b'0' | 0 => {
                let size = self.next_size.take().unwrap_or(own_size);
                let padding = (padded(size) - size) as usize;
                if size == 0 { State::Header } else { State::Content { left: size, padding } }
            }
            _ => State::Header,
        };
        self.buffer.clear();
        Ok(())
    }

    fn extended(&mut self) -> io::Result<()> {
        self.pieces.literal(&self.buffer)?;
        let text = String::from_utf8_lossy(&self.buffer);
        let size = text.split('\n').find_map(|line| line.split_once(" size=")?.1.parse().ok());
        self.next_size = size;
        self.buffer.clear();
        self.state = State::Header;
        Ok(())
    }

    fn content(&mut self, bytes: &[u8], left: u64, padding: usize) -> io::Result<usize> {
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let count = self.collect(&bytes[..limit], LONGEST);
        let left = left - count as u64;
        if left == 0 {
            let mut rest = std::mem::take(&mut self.buffer);
            let mut done = 0;
            while done < rest.len() {
                let length = cut(&rest[done..]);
                self.pieces.chunk(&rest[done..done + length])?;
                done += length;
            }
            rest.clear();
            self.buffer = rest;
            self.state = if padding == 0 { State::Header } else { State::Padding(padding) };
            return Ok(count);
        }
        if self.buffer.len() == LONGEST {
            let length = cut(&self.buffer);
            self.pieces.chunk(&self.buffer[..length])?;
            self.buffer.drain(..length);
        }
        self.state = State::Content { left, padding };
        Ok(count)
    }
}

impl<P: Pieces> Write for Splitter<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            done += match self.state {
                State::Header => {
                    let count = self.collect(rest, BLOCK);
                    if self.buffer.len() == BLOCK {
                        self.header()?;
                    }
                    count
                }
                State::Extended(length) => {
                    let count = self.collect(rest, length);
                    if self.buffer.len() == length {
                        self.extended()?;
                    }
                    count
                }
                State::Content { left, padding } => self.content(rest, left, padding)?,
                State::Padding(left) => {
                    let count = rest.len().min(left);
                    self.pieces.literal(&rest[..count])?;
                    self.state = if count == left { State::Header } else { State::Padding(left - count) };
                    count
                }
            };
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64)
}

fn octal(field: &[u8]) -> u64 {
    let digits = field.iter().copied().filter(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |value, digit| value.wrapping_mul(8).wrapping_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept {
        all: Vec<u8>,
        chunks: Vec<usize>,
    }

    impl Pieces for Kept {
        fn literal(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.all.extend_from_slice(bytes);
            Ok(())
        }

        fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.chunks.push(bytes.len());
            self.literal(bytes)
        }
    }

    fn archive() -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, size) in [("empty", 0), ("short", 700), ("block", 512), ("long", 600_000)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(size);
            archive.append_data(&mut header, name, io::Read::take(io::repeat(7), size)).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn pieces_are_the_stream_and_chunks_the_files() {
        let bytes = archive();
        for step in [1, 13, 512, 100_000, bytes.len()] {
            let mut splitter = Splitter::new(Kept::default());
            bytes.chunks(step).for_each(|part| splitter.write_all(part).unwrap());
            let kept = splitter.finish().unwrap();
            assert_eq!(kept.all, bytes, "{step}");
            assert_eq!(kept.chunks[..2], [700, 512]);
            assert_eq!(kept.chunks.iter().sum::<usize>(), 600_000 + 700 + 512);
        }
    }

    #[test]
    fn what_is_no_archive_comes_out_whole_too() {
        let bytes: Vec<u8> = (0..100_000u32).map(|number| (number * 7 % 251) as u8).collect();
        let mut splitter = Splitter::new(Kept::default());
        splitter.write_all(&bytes).unwrap();
        assert_eq!(splitter.finish().unwrap().all, bytes);
    }
}
