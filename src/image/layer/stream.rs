//! The tar stream on its way out: filled on one thread, hashed and written on by another.

use std::io::Write;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use rustix::fs::SeekFrom;

use super::LayerError;
use super::marks::Marks;
use crate::base::digest::{DiffId, HashState, HashingWriter};

const BUFFER_LEN: usize = 256 << 10;
/// Buffers in flight besides the one being filled.
const BUFFERS: usize = 3;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A part of the stream.
enum Piece {
    Bytes(Box<[u8]>, usize),
    Zeros(u64),
    /// A known position.
    Mark([u8; 32]),
}

/// The outcome of reading a file into the stream.
pub(super) enum FileError {
    /// The file's content differs from what was announced.
    OtherSize,
    Read(std::io::Error),
    Stream(LayerError),
}

enum Sink<'scope, W> {
    /// Nothing has left the first buffer yet: short streams need no thread.
    Waiting(HashingWriter<W>),
    Running {
        full: SyncSender<Piece>,
        empty: Receiver<Box<[u8]>>,
        thread: ScopedJoinHandle<'scope, Result<Hashed<W>, LayerError>>,
    },
    Failed,
}

/// The other thread's result.
struct Hashed<W> {
    hashing: HashingWriter<W>,
    marks: Marks,
}

/// A stream that has been written.
pub(super) struct Ended {
    pub(super) diff_id: DiffId,
    pub(super) length: u64,
    pub(super) marks: Marks,
}

pub(super) struct StreamWriter<'scope, 'env, W> {
    scope: &'scope Scope<'scope, 'env>,
    buffer: Box<[u8]>,
    filled: usize,
    sink: Sink<'scope, W>,
    length: u64,
}

impl<'scope, 'env, W: Write + Send + 'scope> StreamWriter<'scope, 'env, W> {
    pub(super) fn new(out: W, scope: &'scope Scope<'scope, 'env>) -> Self {
        let sink = Sink::Waiting(HashingWriter::new(out));
        Self { scope, buffer: vec![0; BUFFER_LEN].into(), filled: 0, sink, length: 0 }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Continues from a position in an earlier stream. Call this before anything is appended.
    pub(super) fn resume(&mut self, state: &HashState) {
        if let Sink::Waiting(hashing) = &mut self.sink
            && hashing.resume(state)
        {
            self.length = state.length;
        }
    }

    /// Marks the end of what was appended.
    pub(super) fn mark(&mut self, known_by: [u8; 32]) -> Result<(), LayerError> {
        self.pass_on_buffer()?;
        self.pass_on(Piece::Mark(known_by))
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<(), LayerError> {
        while !bytes.is_empty() {
            let count = bytes.len().min(self.buffer.len() - self.filled);
            self.buffer[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
            self.advance(count)?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub(super) fn append_zeros(&mut self, count: u64) -> Result<(), LayerError> {
        if count <= (self.buffer.len() - self.filled) as u64 {
            let count = count as usize;
            self.buffer[self.filled..self.filled + count].fill(0);
            return self.advance(count);
        }
        self.pass_on_buffer()?;
        self.pass_on(Piece::Zeros(count))?;
        self.length += count;
        Ok(())
    }

    /// Fills up to a multiple of the tar block size.
    pub(super) fn pad(&mut self) -> Result<(), LayerError> {
        self.append_zeros(self.length.next_multiple_of(512) - self.length)
    }

    /// Appends `size` bytes of `file`, feeding them to `digest` too. Holes of a sparse file are not read.
    pub(super) fn append_file(
        &mut self,
        file: BorrowedFd<'_>,
        size: u64,
        sparse: bool,
        mut digest: Option<&mut blake3::Hasher>,
    ) -> Result<(), FileError> {
        let mut offset = 0;
        while offset < size {
            let (start, end) = if sparse { next_data(file, offset, size)? } else { (offset, size) };
            if start > offset {
                if let Some(digest) = digest.as_deref_mut() {
                    hash_zeros(digest, start - offset);
                }
                self.append_zeros(start - offset).map_err(FileError::Stream)?;
            }
            self.append_data(file, end - start, digest.as_deref_mut())?;
            offset = end;
        }
        Ok(())
    }

    /// Appends a file that must have `size` bytes, fewer than fit into the buffer. It is usually read in one call.
    pub(super) fn append_said(&mut self, file: BorrowedFd<'_>, size: u64) -> Result<(), FileError> {
        let size = size as usize;
        if self.buffer.len() - self.filled <= size {
            self.pass_on_buffer().map_err(FileError::Stream)?;
        }
        let mut got = 0;
        while got <= size {
            // Reads one byte more than expected: a shorter result proves that the file ends there.
            let target = &mut self.buffer[self.filled + got..=self.filled + size];
            let asked = target.len();
            match rustix::io::read(file, target) {
                Ok(count) => {
                    got += count;
                    if count < asked {
                        break;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(FileError::Read(error.into())),
            }
        }
        if got == size { self.advance(size).map_err(FileError::Stream) } else { Err(FileError::OtherSize) }
    }

    fn append_data(
        &mut self,
        file: BorrowedFd<'_>,
        mut count: u64,
        mut digest: Option<&mut blake3::Hasher>,
    ) -> Result<(), FileError> {
        while count > 0 {
            let room = (self.buffer.len() - self.filled).min(usize::try_from(count).unwrap_or(usize::MAX));
            let target = &mut self.buffer[self.filled..self.filled + room];
            let got = match rustix::io::read(file, &mut *target) {
                Ok(0) => return Err(FileError::OtherSize),
                Ok(got) => got,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(FileError::Read(error.into())),
            };
            if let Some(digest) = digest.as_deref_mut() {
                digest.update(&target[..got]);
            }
            count -= got as u64;
            self.advance(got).map_err(FileError::Stream)?;
        }
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> Result<Ended, LayerError> {
        let Hashed { mut hashing, marks } = match std::mem::replace(&mut self.sink, Sink::Failed) {
            Sink::Waiting(hashing) => Hashed { hashing, marks: Marks::default() },
            Sink::Running { full, thread, .. } => {
                drop(full);
                thread.join().expect("the hashing thread does not panic")?
            }
            Sink::Failed => unreachable!("a failed append ends the encoding"),
        };
        hashing.write_all(&self.buffer[..self.filled]).map_err(LayerError::Write)?;
        let (mut out, digest, length) = hashing.finish();
        out.flush().map_err(LayerError::Write)?;
        Ok(Ended { diff_id: DiffId::from_bytes(*digest.as_bytes()), length, marks })
    }

    fn advance(&mut self, count: usize) -> Result<(), LayerError> {
        self.filled += count;
        self.length += count as u64;
        if self.filled == self.buffer.len() { self.pass_on_buffer() } else { Ok(()) }
    }

    fn pass_on_buffer(&mut self) -> Result<(), LayerError> {
        if self.filled == 0 {
            return Ok(());
        }
        self.start_thread();
        let next = match &self.sink {
            Sink::Running { empty, .. } => empty.recv().ok(),
            _ => None,
        };
        let Some(next) = next else { return Err(self.failure()) };
        let full = std::mem::replace(&mut self.buffer, next);
        let filled = std::mem::take(&mut self.filled);
        self.pass_on(Piece::Bytes(full, filled))
    }

    fn pass_on(&mut self, piece: Piece) -> Result<(), LayerError> {
        self.start_thread();
        match &self.sink {
            Sink::Running { full, .. } if full.send(piece).is_ok() => Ok(()),
            _ => Err(self.failure()),
        }
    }

    fn start_thread(&mut self) {
        let hashing = match std::mem::replace(&mut self.sink, Sink::Failed) {
            Sink::Waiting(hashing) => hashing,
            other => {
                self.sink = other;
                return;
            }
        };
        let (full, pieces) = sync_channel(BUFFERS);
        let (give_back, empty) = sync_channel(BUFFERS + 1);
        for _ in 0..BUFFERS {
            let _ = give_back.send(vec![0; BUFFER_LEN].into());
        }
        let thread = self.scope.spawn(move || consume(hashing, &pieces, &give_back));
        self.sink = Sink::Running { full, empty, thread };
    }

    /// The error that ended the other thread.
    fn failure(&mut self) -> LayerError {
        let Sink::Running { full, thread, .. } = std::mem::replace(&mut self.sink, Sink::Failed) else {
            unreachable!("only a running thread fails");
        };
        drop(full);
        match thread.join().expect("the hashing thread does not panic") {
            Err(error) => error,
            Ok(_) => unreachable!("the hashing thread ends early only with an error"),
        }
    }
}

fn consume<W: Write>(
    mut hashing: HashingWriter<W>,
    pieces: &Receiver<Piece>,
    give_back: &SyncSender<Box<[u8]>>,
) -> Result<Hashed<W>, LayerError> {
    let mut marks = Marks::default();
    for piece in pieces {
        match piece {
            Piece::Bytes(buffer, filled) => {
                hashing.write_all(&buffer[..filled]).map_err(LayerError::Write)?;
                let _ = give_back.send(buffer);
            }
            Piece::Mark(known_by) => marks.insert(known_by, hashing.state()),
            Piece::Zeros(mut count) => {
                while count > 0 {
                    let part = count.min(ZEROS.len() as u64);
                    hashing.write_all(&ZEROS[..part as usize]).map_err(LayerError::Write)?;
                    count -= part;
                }
            }
        }
    }
    Ok(Hashed { hashing, marks })
}

pub(crate) fn hash_zeros(digest: &mut blake3::Hasher, mut count: u64) {
    while count > 0 {
        let part = count.min(ZEROS.len() as u64);
        digest.update(&ZEROS[..part as usize]);
        count -= part;
    }
}

/// The next stretch of data at or after `offset`, with the file's position at its start; empty at `size` if only a hole
/// is left.
fn next_data(file: BorrowedFd<'_>, offset: u64, size: u64) -> Result<(u64, u64), FileError> {
    let seek = |target| rustix::fs::seek(file, target);
    let start = match seek(SeekFrom::Data(offset)) {
        Ok(start) => start.min(size),
        Err(rustix::io::Errno::NXIO) => return Ok((size, size)),
        Err(error) => return Err(FileError::Read(error.into())),
    };
    let end = seek(SeekFrom::Hole(start)).map_err(|error| FileError::Read(error.into()))?.min(size);
    seek(SeekFrom::Start(start)).map_err(|error| FileError::Read(error.into()))?;
    Ok((start, end))
}
