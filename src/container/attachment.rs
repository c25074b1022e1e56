//! A container's streams, or those of a program that `exec` runs in it, for whoever passes them on to somewhere else than
//! this process's own input and output.

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

/// A connection to the process that has the streams.
#[derive(Debug)]
pub struct Attachment {
    stream: UnixStream,
    body: Vec<u8>,
}

/// What comes from it.
#[derive(Debug)]
pub enum Heard<'a> {
    Output(&'a [u8]),
    Errors(&'a [u8]),
    Ended(Ending),
}

/// One who is attached to a container that may have to be started first.
pub enum Attaching {
    Now(Attachment),
    WhenStarted(WaitingAttachment),
}

/// To be attached when the container is started.
pub struct WaitingAttachment(Pending);

/// The program's input.
#[derive(Clone)]
pub struct AttachedInput(Sender, Arc<UnixStream>);

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The next end of its program, whether it is started again or not; none of one that does not run.
    NotRunning,
    /// The same, also of one that is not started yet.
    NextExit,
    Removed,
}

impl Entry {
    /// Attaches to its streams, now or as soon as it is started.
    pub fn attachment(&self, attach: Attach) -> Result<Attaching, ContainerError> {
        if !self.is_running
            && let Some(pending) = Pending::register(self, Wish::Attach(attach))?
        {
            // One that runs is told of by its monitor.
            events::add(&self.containers(), &self.record, "attach", &[]);
            return Ok(Attaching::WhenStarted(WaitingAttachment(pending)));
        }
        let stream = self.connect_with(&Request::Attach(attach))?;
        control::receive(&stream)?;
        Ok(Attaching::Now(Attachment::of(stream)))
    }

    /// Begins to wait: what happens from now on is seen.
    pub fn waiting(self, what: WaitFor) -> Result<Waiting, ContainerError> {
        let removal = Removal::watch(&self)?;
        let has_ended = self.state.finished_at.is_some();
        let way = match (self.is_running, what) {
            (false, WaitFor::NotRunning) => Way::Known,
            (false, WaitFor::Removed) if has_ended => Way::Known,
            (false, _) => Pending::register(&self, Wish::Exit)?
                .map_or_else(|| self.ask_for_end(what), |pending| Ok(Way::Pending(pending)))?,
            (true, _) => self.ask_for_end(what)?,
        };
        Ok(Waiting { entry: self, what, removal, way })
    }

    fn ask_for_end(&self, what: WaitFor) -> Result<Way, ContainerError> {
        let request = if what == WaitFor::Removed { Request::Wait } else { Request::WaitForExit };
        match self.connect_with(&request) {
            Err(ContainerError::MonitorDied) => Ok(Way::Known),
            stream => Ok(Way::Asked(stream?)),
        }
    }
}

/// One who waits for a container's end.
pub struct Waiting {
    entry: Entry,
    what: WaitFor,
    removal: Removal,
    way: Way,
}

enum Way {
    /// It has ended already.
    Known,
    Pending(Pending),
    Asked(UnixStream),
}

impl Waiting {
    /// Nothing when that happened first.
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
    /// Nothing when the container was removed, or `cancel` became readable, before it was started.
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

    /// Of a process that says first whether it could start its program.
    pub fn started(stream: UnixStream) -> Result<Self, ContainerError> {
        control::receive(&stream)?;
        Ok(Self::of(stream))
    }

    /// What comes next; nothing when there is nothing more.
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

    /// `None` when it was cancelled, `Some(None)` when nobody says how it ended.
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

    pub fn input(&self) -> Result<AttachedInput, ContainerError> {
        let sender = Sender::new(socket::copy(&self.stream)?);
        Ok(AttachedInput(sender, Arc::new(socket::copy(&self.stream)?)))
    }
}

impl AttachedInput {
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.frame(Kind::Input, bytes)
    }

    /// The program reads the end of its input.
    pub fn end(&self) -> io::Result<()> {
        self.0.frame(Kind::InputEnd, &[])
    }

    /// Nobody reads the program's output here any more.
    pub fn output_closed(&self) {
        // It fails only when the other side is gone.
        let _ = self.0.request(&Request::OutputClosed);
    }

    /// Lets go of the streams; the program goes on.
    pub fn leave(&self) {
        let _ = self.1.shutdown(Shutdown::Both);
    }
}

impl Sender {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }
}
