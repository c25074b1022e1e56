//! A connection that is no HTTP any more.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::container::sandbox::is_unread;

/// How long a client may take to read the head of an answer, until what follows is sent all the same.
const READING: Duration = Duration::from_secs(2);
/// Between the first looks whether it has; the later ones are further apart.
const FIRST_LOOK: Duration = Duration::from_micros(20);
const LAST_LOOK: Duration = Duration::from_millis(5);

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
    /// Ends when the conversation has. Nothing follows the head before that is read: clients that take the socket from
    /// below their HTTP library lose what the library has read beside the head.
    pub fn run(self, stream: UnixStream, early: Vec<u8>) {
        if (&stream).write_all(&self.head).is_ok() {
            wait_until_read(&stream);
            (self.take)(Hijacked { stream, early });
        }
    }
}

fn wait_until_read(stream: &UnixStream) {
    let deadline = Instant::now() + READING;
    let mut pause = FIRST_LOOK;
    while is_unread(stream) && Instant::now() < deadline {
        std::thread::sleep(pause);
        pause = LAST_LOOK.min(pause * 2);
    }
}

impl Hijacked {
    /// What the client sends, and the stream to answer it by.
    pub fn split(self) -> io::Result<(impl Read + Send, UnixStream)> {
        let reader = self.stream.try_clone()?;
        Ok((io::Cursor::new(self.early).chain(reader), self.stream))
    }
}
