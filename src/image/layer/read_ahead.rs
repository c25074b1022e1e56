//! A stream that is decompressed and hashed on one thread while another one parses it.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use sha2::Digest as _;

use crate::base::digest::DiffId;

const BUFFER_LEN: usize = 256 << 10;
const BUFFERS: usize = 4;

struct Piece {
    buffer: Box<[u8]>,
    filled: usize,
}

/// What the reading thread saw.
pub(super) struct Seen {
    pub(super) diff_id: DiffId,
    pub(super) length: u64,
}

pub(super) struct ReadAhead<'scope> {
    pieces: Receiver<io::Result<Piece>>,
    give_back: SyncSender<Box<[u8]>>,
    current: Option<Piece>,
    position: usize,
    thread: ScopedJoinHandle<'scope, Seen>,
}

impl<'scope> ReadAhead<'scope> {
    pub(super) fn new<'env>(scope: &'scope Scope<'scope, 'env>, reader: impl Read + Send + 'scope) -> Self {
        let (send, pieces) = sync_channel(BUFFERS);
        let (give_back, empty) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            let _ = give_back.send(vec![0; BUFFER_LEN].into());
        }
        let thread = scope.spawn(move || read_and_hash(reader, &send, &empty));
        Self { pieces, give_back, current: None, position: 0, thread }
    }

    /// Ends the reading thread. The result is complete if the stream was read to its end.
    pub(super) fn finish(self) -> Seen {
        let Self { pieces, give_back, thread, .. } = self;
        drop((pieces, give_back));
        thread.join().expect("the reading thread does not panic")
    }
}

impl Read for ReadAhead<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(piece) = &self.current {
                let available = &piece.buffer[self.position..piece.filled];
                if !available.is_empty() {
                    let count = available.len().min(target.len());
                    target[..count].copy_from_slice(&available[..count]);
                    self.position += count;
                    return Ok(count);
                }
            }
            if let Some(piece) = self.current.take() {
                let _ = self.give_back.send(piece.buffer);
            }
            match self.pieces.recv() {
                Ok(piece) => (self.current, self.position) = (Some(piece?), 0),
                Err(_) => return Ok(0),
            }
        }
    }
}

fn read_and_hash(mut reader: impl Read, send: &SyncSender<io::Result<Piece>>, empty: &Receiver<Box<[u8]>>) -> Seen {
    let mut hasher = sha2::Sha256::new();
    let mut length = 0;
    while let Ok(mut buffer) = empty.recv() {
        let piece = match fill(&mut reader, &mut buffer) {
            Ok(0) => break,
            Ok(filled) => {
                hasher.update(&buffer[..filled]);
                length += filled as u64;
                Ok(Piece { buffer, filled })
            }
            Err(error) => Err(error),
        };
        let ended = piece.is_err();
        if send.send(piece).is_err() || ended {
            break;
        }
    }
    Seen { diff_id: DiffId::from_bytes(hasher.finalize().into()), length }
}

/// Fills `buffer`, unless the stream ends first.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
