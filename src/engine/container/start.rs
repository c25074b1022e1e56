//! Starts containers that have ended or were never started.

use std::path::Path;

use super::RequestError;
use crate::container::sandbox::UsersMode;
use crate::container::{Ahead, Attach, ContainerError, Containers, Entry, Monitor, Record, Session, Status};

/// Monitors that are not yet given a container, one each. Unused ones end when this is dropped.
#[derive(Debug)]
pub struct Starting(Vec<Monitor>);

/// The result of a start.
#[derive(Debug, Default)]
pub struct Started {
    /// It was running already, and nothing was done.
    pub is_old: bool,
    /// A warning for the user.
    pub warning: Option<String>,
}

impl Starting {
    /// Starts that many monitors. This is fastest in a process that has one thread and has opened nothing yet.
    pub fn begin(count: usize, store_root: &Path) -> Result<Self, RequestError> {
        Self::begin_with(count, Ahead::Nothing, store_root)
    }

    /// The same if something is known about the containers.
    pub fn begin_with(count: usize, ahead: Ahead, store_root: &Path) -> Result<Self, RequestError> {
        Ok(Self((0..count).map(|_| Monitor::begin(ahead, store_root)).collect::<Result<_, _>>()?))
    }

    /// Starts it in the background, unless it is running already.
    pub fn start(&mut self, containers: &Containers, entry: &Entry) -> Result<Started, RequestError> {
        if !is_startable(entry)? {
            return Ok(Started { is_old: true, warning: None });
        }
        let session = self.next()?.start(containers, &entry.record.id, Attach::default())?;
        Ok(Started { is_old: false, warning: session.warning })
    }

    /// Starts it, unless it is running already, and returns its streams.
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

/// Whether it can be started: false if it is running. A paused container must be unpaused instead.
pub fn is_startable(entry: &Entry) -> Result<bool, RequestError> {
    match entry.state.status {
        Status::Paused if entry.is_running => Err(RequestError::StartPaused),
        _ => Ok(!entry.is_running),
    }
}

/// What its monitor can prepare before it is told which container it is for.
pub fn ahead_of(record: &Record) -> Ahead {
    let host = &record.host_config;
    if host.network_mode.has_places() && host.users == UsersMode::Usual { Ahead::Network } else { Ahead::Nothing }
}
