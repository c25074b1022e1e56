//! The streams of a container, or of a program that `exec` runs in it, for callers that forward them elsewhere than to
//! this process's own stdin and stdout.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use super::directory::Entry;
use super::error::ContainerError;
use super::events;
use super::pending::{Cancel, Pending, Removal, Waited, Wish, wait_for_one};
use super::protocol::{self, Attach, Ending, Kind, Reply, Request};
use super::session::Sender;
use super::{control, socket};
use crate::base::io_error::AtPath;

/// A connection to the process that holds the streams.
#[derive(Debug)]
pub struct Attachment {
    stream: UnixStream,
    body: Vec<u8>,
}

/// What is received from it.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Standard output, or a terminal's.
    Output(&'a [u8]),
    /// Standard error.
    Errors(&'a [u8]),
    /// The program has ended.
    Ended(Ending),
}

/// An attachment to a container that may have to be started first.
pub enum Attaching {
    /// The program runs.
    Now(Attachment),
    /// The program is to be started.
    WhenStarted(WaitingAttachment),
}

/// Becomes an attachment when the container is started.
pub struct WaitingAttachment(Pending);

/// The program's stdin.
#[derive(Clone)]
pub struct AttachedInput(Sender, Arc<UnixStream>);

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The next exit of its program, whether or not it is restarted; returns at once if the container does not run.
    NotRunning,
    /// The same, but also waits for a container that is not started yet.
    NextExit,
    /// Until the container is removed.
    Removed,
}

impl Entry {
    /// Attaches to the container's streams, now or as soon as it is started.
    pub fn attachment(&self, attach: Attach) -> Result<Attaching, ContainerError> {
        if !self.is_running
            && let Some(pending) = Pending::register(self, Wish::Attach(attach))?
        {
            // If the container runs, its monitor reports the event.
            events::add(&self.containers(), &self.record, "attach", &[]);
            return Ok(Attaching::WhenStarted(WaitingAttachment(pending)));
        }
        let stream = self.connect_with(&Request::Attach(attach))?;
        control::receive(&stream)?;
        Ok(Attaching::Now(Attachment::of(stream)))
    }

    /// Starts to wait: no change after this call is missed.
    pub fn waiting(self, what: WaitFor) -> Result<Waiting, ContainerError> {
        let removal = Removal::watch(&self)?;
        let has_ended = self.state.finished_at.is_some();
        let way = match (self.is_running, what) {
            (false, WaitFor::NotRunning) => Way::Known,
            (false, WaitFor::Removed) if has_ended => Way::Known,
            (false, _) => Pending::register(&self, Wish::Exit)?
                .map_or_else(|| self.request_ending(what), |pending| Ok(Way::Pending(pending)))?,
            (true, _) => self.request_ending(what)?,
        };
        Ok(Waiting { entry: self, what, removal, way })
    }

    fn request_ending(&self, what: WaitFor) -> Result<Way, ContainerError> {
        let request = if what == WaitFor::Removed { Request::Wait } else { Request::WaitForExit };
        match self.connect_with(&request) {
            Err(ContainerError::MonitorDied) => Ok(Way::Known),
            stream => Ok(Way::Asked(stream?)),
        }
    }
}

/// A wait for the end of a container.
pub struct Waiting {
    entry: Entry,
    what: WaitFor,
    removal: Removal,
    way: Way,
}

enum Way {
    /// The ending is known already.
    Known,
    Pending(Pending),
    Asked(UnixStream),
}

impl Waiting {
    /// `None` if `cancel` came first.
    pub fn wait(self, cancel: Cancel<'_>) -> Result<Option<Ending>, ContainerError> {
        let Self { entry, what, removal, way } = self;
        let stream = match way {
            Way::Known => None,
            Way::Asked(stream) => Some(stream),
            Way::Pending(pending) => match pending.wait(cancel)? {
                Waited::Started(stream) => Some(stream),
                Waited::Removed => return entry.ending().map(Some),
                Waited::Cancelled => return Ok(None),
            },
        };
        let told = match stream {
            None => None,
            Some(stream) => match Attachment::of(stream).wait_for_end(cancel)? {
                None => return Ok(None),
                Some(told) => told,
            },
        };
        let ending = told.map_or_else(|| entry.ending(), Ok)?;
        let is_done = what != WaitFor::Removed || removal.wait(cancel)?;
        Ok(Some(ending).filter(|_| is_done))
    }
}

impl WaitingAttachment {
    /// `None` if the container was removed, or `cancel` became ready, before it was started.
    pub fn wait(self, cancel: Cancel<'_>) -> Result<Option<Attachment>, ContainerError> {
        match self.0.wait(cancel)? {
            Waited::Started(stream) => Ok(Some(Attachment::of(stream))),
            Waited::Removed | Waited::Cancelled => Ok(None),
        }
    }
}

impl Attachment {
    pub(super) fn of(stream: UnixStream) -> Self {
        Self { stream, body: Vec::new() }
    }

    /// For a process that first reports whether it could start its program.
    pub fn started(stream: UnixStream) -> Result<Self, ContainerError> {
        control::receive(&stream)?;
        Ok(Self::of(stream))
    }

    /// The next message; `None` at the end of the stream.
    pub fn hear(&mut self) -> Result<Option<Heard<'_>>, ContainerError> {
        loop {
            match protocol::receive(&self.stream, &mut self.body).at("hear from", "the container's monitor")? {
                None => return Ok(None),
                Some(Kind::Output) => return Ok(Some(Heard::Output(&self.body))),
                Some(Kind::Errors) => return Ok(Some(Heard::Errors(&self.body))),
                Some(Kind::Reply) => {
                    if let Ok(Reply::Ended(ending)) = protocol::decode(&self.body) {
                        return Ok(Some(Heard::Ended(ending)));
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// `None` if it was cancelled, `Some(None)` if nothing was reported about the end.
    fn wait_for_end(&mut self, cancel: Cancel<'_>) -> Result<Option<Option<Ending>>, ContainerError> {
        while wait_for_one(&[Cancel::readable(self.stream.as_fd()), cancel])? == 0 {
            match self.hear()? {
                None => return Ok(Some(None)),
                Some(Heard::Ended(ending)) => return Ok(Some(Some(ending))),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// What writes to the program.
    pub fn input(&self) -> Result<AttachedInput, ContainerError> {
        let sender = Sender::new(socket::copy(&self.stream)?);
        Ok(AttachedInput(sender, Arc::new(socket::copy(&self.stream)?)))
    }
}

impl AttachedInput {
    /// Writes to the program.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.frame(Kind::Input, bytes)
    }

    /// Closes the program's stdin.
    pub fn end(&self) -> io::Result<()> {
        self.0.frame(Kind::InputEnd, &[])
    }

    /// Reports that nobody reads the program's output here any longer.
    pub fn output_closed(&self) {
        // Fails only if the peer is gone.
        let _ = self.0.request(&Request::OutputClosed);
    }

    /// Detaches from the streams; the program keeps running.
    pub fn leave(&self) {
        let _ = self.1.shutdown(Shutdown::Both);
    }
}

impl Sender {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }
}
