//! A connection that is no HTTP any more.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// The client's connection, after the head of the answer was sent.
pub struct Hijacked {
    pub stream: UnixStream,
    /// What the client has sent behind its request already.
    pub early: Vec<u8>,
}

/// What is to be done with a connection that hyper gives up.
pub struct Takeover {
    pub head: Vec<u8>,
    pub take: Box<dyn FnOnce(Hijacked) + Send>,
}

impl Takeover {
    /// Ends when the conversation has. The head goes out alone: clients that take the socket from below their HTTP
    /// library lose what comes in one packet with it.
    pub fn run(self, stream: UnixStream, early: Vec<u8>) {
        if (&stream).write_all(&self.head).is_ok() {
            (self.take)(Hijacked { stream, early });
        }
    }
}

impl Hijacked {
    /// What the client sends, and the stream to answer it by.
    pub fn split(self) -> io::Result<(impl Read + Send, UnixStream)> {
        let reader = self.stream.try_clone()?;
        Ok((io::Cursor::new(self.early).chain(reader), self.stream))
    }
}
