//! A connection that is no longer HTTP.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::container::sandbox::is_unread;

/// How long to wait for the client to read the head of a response before sending the rest anyway.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval between the first checks whether it has; later ones are longer.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// The client's connection, after the head of the response was sent.
pub struct Hijacked {
    pub stream: UnixStream,
    /// What the client has already sent after its request.
    pub early: Vec<u8>,
}

/// What to do with a connection that hyper gives up.
pub struct Takeover {
    pub head: Vec<u8>,
    pub take: Box<dyn FnOnce(Hijacked) + Send>,
}

impl Takeover {
    /// Returns at the end of the conversation. Waits until the head was read before sending more: clients that take the
    /// socket from below their HTTP library lose what the library has read beyond the head.
    pub fn run(self, stream: UnixStream, early: Vec<u8>) {
        if (&stream).write_all(&self.head).is_ok() {
            wait_until_read(&stream);
            (self.take)(Hijacked { stream, early });
        }
    }
}

fn wait_until_read(stream: &UnixStream) {
    let deadline = Instant::now() + READ_TIMEOUT;
    let mut pause = FIRST_PAUSE;
    while is_unread(stream) && Instant::now() < deadline {
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

impl Hijacked {
    /// The client's data, and the stream for the response.
    pub fn split(self) -> io::Result<(impl Read + Send, UnixStream)> {
        let reader = self.stream.try_clone()?;
        Ok((io::Cursor::new(self.early).chain(reader), self.stream))
    }
}
