//! A container that is paused while its files are read.

use std::os::unix::net::UnixStream;

use super::directory::Entry;
use super::error::ContainerError;
use super::state::Status;

/// The container's programs continue when this is dropped, or when its process ends for any reason. A container that
/// does not run, or is paused already, is left alone.
#[derive(Debug, Default)]
pub struct Pause {
    /// The monitor resumes the programs when this is closed.
    _connection: Option<UnixStream>,
    failure: Option<ContainerError>,
}

impl Pause {
    pub fn of(entry: &Entry) -> Self {
        if entry.state.status != Status::Running {
            return Self::default();
        }
        match entry.hold() {
            Ok(connection) => Self { _connection: Some(connection), failure: None },
            Err(ContainerError::NotRunning { .. }) => Self::default(),
            // It may have ended by itself.
            Err(error) => {
                let still_runs =
                    Entry::open(entry.folder().to_owned()).ok().flatten().is_some_and(|now| now.is_running);
                Self { _connection: None, failure: still_runs.then_some(error) }
            }
        }
    }

    /// Resumes the programs. Returns why they could not be paused, if so.
    pub fn end(self) -> Option<ContainerError> {
        self.failure
    }
}
