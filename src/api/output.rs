//! The body of a response: whole, or as it is written by a thread that may wait for the client.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

use super::gone::{Gone, Leaving};

/// How many pieces are buffered before the writer waits.
const PIECES: usize = 8;
/// The size limit of a piece.
const PIECE: usize = 64 << 10;

/// The stream that a page writes. Each `write` is sent separately; use a `BufWriter` for much data.
pub struct Output {
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// Whether the client is gone.
    pub gone: Gone,
}

impl Output {
    /// A writer, and the body that it writes.
    pub fn new(gone: Gone) -> (Self, Outgoing) {
        let (sender, pieces) = mpsc::channel(PIECES);
        let leaving = Leaving::of(gone.clone());
        (Self { sender, gone }, Outgoing::Stream { pieces, _leaving: leaving })
    }

    /// Breaks the stream off: the client sees its connection end in the middle.
    pub fn break_off(&self, error: io::Error) {
        // If the client is gone, this does not matter.
        let _ = self.sender.blocking_send(Err(error));
    }

    /// Writes a value on its own line, for streams of JSON.
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

/// The body for hyper.
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
