//! A client that is connected to a monitor.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::container::log::Source;
use crate::container::protocol::{self, Attach, Kind};

/// When this much output waits for a client, it gets no more, and the program blocks.
const MOST_WAITING: usize = 256 << 10;
const READ_AT_ONCE: usize = 64 << 10;
/// How long a client may take to send its first request.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    Nothing,
    /// The program's exit, and its exit code.
    Exit,
    /// The final end of the container, and its exit code.
    End,
    /// The same, but only the confirmation.
    Stop,
}

pub(super) struct Client {
    pub(super) stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    pub(super) attach: Option<Attach>,
    pub(super) awaits: Awaits,
    /// The programs are paused for it.
    pub(super) holds: bool,
    pub(super) is_gone: bool,
    /// When it connected; reset by its first request.
    silent_since: Option<Instant>,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (incoming, outgoing) = (Vec::new(), Vec::new());
        Ok(Self {
            stream,
            incoming,
            outgoing,
            attach: None,
            awaits: Awaits::Nothing,
            holds: false,
            is_gone: false,
            silent_since: Some(Instant::now()),
        })
    }

    /// The client that started the container; it has sent its request already.
    pub(super) fn first(stream: UnixStream) -> io::Result<Self> {
        Ok(Self { silent_since: None, ..Self::new(stream)? })
    }

    /// A client without a request only takes up a slot.
    pub(super) fn is_mute(&self, now: Instant) -> bool {
        self.silent_since.is_some_and(|since| now.saturating_duration_since(since) > PATIENCE)
    }

    pub(super) fn is_full(&self) -> bool {
        self.outgoing.len() > MOST_WAITING
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Reads what was sent, and returns the complete frames.
    pub(super) fn read(&mut self) -> Vec<(Kind, Vec<u8>)> {
        let before = self.incoming.len();
        self.incoming.resize(before + READ_AT_ONCE, 0);
        let read = self.stream.read(&mut self.incoming[before..]);
        self.incoming.truncate(before + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => self.is_gone = true,
            Err(error) if !is_temporary(&error) => self.is_gone = true,
            _ => {}
        }
        let frames = protocol::take_frames(&mut self.incoming).unwrap_or_else(|before| {
            self.is_gone = true;
            before
        });
        self.incoming.shrink_to(READ_AT_ONCE);
        if !frames.is_empty() {
            self.silent_since = None;
        }
        frames
    }

    pub(super) fn reply<T: Serialize>(&mut self, value: &T) {
        match protocol::encode(Kind::Reply, value) {
            Ok(frame) => self.send(&[&frame]),
            Err(_) => self.is_gone = true,
        }
    }

    /// Forwards the program's output, if the client wants it.
    pub(super) fn output(&mut self, source: Source, bytes: &[u8]) {
        let wanted = |attach: Attach| match source {
            Source::Stdout => attach.stdout,
            Source::Stderr => attach.stderr,
        };
        if self.attach.is_some_and(wanted) {
            let kind = if source == Source::Stdout { Kind::Output } else { Kind::Errors };
            self.send(&[&protocol::header(kind, bytes.len()), bytes]);
        }
    }

    fn send(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.outgoing.extend_from_slice(part));
        self.write();
    }

    /// Writes what the client accepts now.
    pub(super) fn write(&mut self) {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if is_temporary(&error) => break,
                Err(_) => {
                    self.is_gone = true;
                    break;
                }
            }
        }
        if self.outgoing.is_empty() {
            self.outgoing.shrink_to(READ_AT_ONCE);
        }
    }

    /// Writes everything that is left, however long the client takes.
    pub(super) fn finish(&mut self) {
        if self.stream.set_nonblocking(false).is_ok() {
            // A client that is gone needs nothing.
            let _ = self.stream.write_all(&self.outgoing);
        }
    }
}

pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
