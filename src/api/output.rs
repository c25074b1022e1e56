//! The body of an answer: whole, or as it is written by a thread that may wait for the client.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use super::gone::{Gone, Leaving};

/// So many pieces are on their way before the writer waits.
const PIECES: usize = 8;
/// The most that one piece has.
const PIECE: usize = 64 << 10;

/// What a page writes a stream to. Each `write` is sent by itself; whoever writes much at once uses a `BufWriter`.
pub struct Output {
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// Whether somebody still reads.
    pub gone: Gone,
}

impl Output {
    /// A writer, and the body that it writes.
    pub fn new(gone: Gone) -> (Self, Outgoing) {
        let (sender, pieces) = mpsc::channel(PIECES);
        let leaving = Leaving::of(gone.clone());
        (Self { sender, gone }, Outgoing::Stream { pieces, _leaving: leaving })
    }

    /// The client learns that the stream is broken off: its connection ends in the middle.
    pub fn break_off(&self, error: io::Error) {
        // Where nobody reads any more, nobody needs to know.
        let _ = self.sender.blocking_send(Err(error));
    }

    /// A value on a line of its own, as streams of JSON have it.
    pub fn json(&mut self, value: &impl serde::Serialize, end: &str) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.extend(end.as_bytes());
        self.write_all(&line)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        if piece.is_empty() {
            return Ok(0);
        }
        let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.sender.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(closed)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What hyper sends.
pub enum Outgoing {
    Whole(Option<Bytes>),
    Stream { pieces: mpsc::Receiver<io::Result<Bytes>>, _leaving: Leaving },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { pieces, .. } => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
