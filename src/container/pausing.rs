//! A container that waits for as long as somebody reads its files.

use std::os::unix::net::UnixStream;

use super::directory::Entry;
use super::error::ContainerError;
use super::state::Status;

/// The container's programs go on when this is dropped, or its process has ended in whatever way. One that does not run, or
/// is paused already, stays as it is.
#[derive(Debug, Default)]
pub struct Pause {
    /// The monitor lets the programs go on when it closes.
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
            // Perhaps it has ended by itself.
            Err(error) => {
                let still_runs =
                    Entry::open(entry.folder().to_owned()).ok().flatten().is_some_and(|now| now.is_running);
                Self { _connection: None, failure: still_runs.then_some(error) }
            }
        }
    }

    /// Lets the programs go on. Says why they never stopped, where they did not.
    pub fn end(self) -> Option<ContainerError> {
        self.failure
    }
}
