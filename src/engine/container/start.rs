//! Starting containers that have ended, or were never started.

use std::path::Path;

use super::RequestError;
use crate::container::sandbox::UsersMode;
use crate::container::{Ahead, Attach, ContainerError, Containers, Entry, Monitor, Record, Session, Status};

/// Processes that will watch containers, one each. Those that get no container end with this.
#[derive(Debug)]
pub struct Starting(Vec<Monitor>);

/// What a start came to.
#[derive(Debug, Default)]
pub struct Started {
    /// It runs already, and nothing was done.
    pub is_old: bool,
    /// What the user should be told.
    pub warning: Option<String>,
}

impl Starting {
    /// As many as may be needed. They begin soonest in a program that has one thread and has opened nothing yet.
    pub fn begin(count: usize, store_root: &Path) -> Result<Self, RequestError> {
        Self::begin_with(count, Ahead::Nothing, store_root)
    }

    /// The same where something is known of the containers.
    pub fn begin_with(count: usize, ahead: Ahead, store_root: &Path) -> Result<Self, RequestError> {
        Ok(Self((0..count).map(|_| Monitor::begin(ahead, store_root)).collect::<Result<_, _>>()?))
    }

    /// Starts it in the background, unless it runs already.
    pub fn start(&mut self, containers: &Containers, entry: &Entry) -> Result<Started, RequestError> {
        if !is_startable(entry)? {
            return Ok(Started { is_old: true, warning: None });
        }
        let session = self.next()?.start(containers, &entry.record.id, Attach::default())?;
        Ok(Started { is_old: false, warning: session.warning })
    }

    /// Starts it, unless it runs already, and gives its streams.
    pub fn attached(
        &mut self,
        containers: &Containers,
        entry: &Entry,
        attach: Attach,
    ) -> Result<Session, ContainerError> {
        match entry.is_running {
            true => Session::attach(entry, attach),
            false => self.next()?.start(containers, &entry.record.id, attach),
        }
    }

    fn next(&mut self) -> Result<Monitor, ContainerError> {
        self.0.pop().ok_or(ContainerError::MonitorDied)
    }
}

/// Whether there is something to start: false for one that runs. One that is paused has to be told to go on instead.
pub fn is_startable(entry: &Entry) -> Result<bool, RequestError> {
    match entry.state.status {
        Status::Paused if entry.is_running => Err(RequestError::StartPaused),
        _ => Ok(!entry.is_running),
    }
}

/// What its monitor can do before it is told of it.
pub fn ahead_of(record: &Record) -> Ahead {
    let host = &record.host_config;
    if host.network_mode.has_places() && host.users == UsersMode::Usual { Ahead::Network } else { Ahead::Nothing }
}
