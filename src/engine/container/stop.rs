//! Stops and restarts containers.

use super::RequestError;
use crate::base::signal;
use crate::container::{ContainerError, Containers, Entry, Stop};

const KILL: i32 = 9;

/// Stops a container; false if it was not running.
pub fn stop(entry: &Entry, stop: Stop) -> Result<bool, ContainerError> {
    if entry.is_running {
        entry.stop(stop)?;
    }
    Ok(entry.is_running)
}

/// Stops a container, if it is running, and starts it. `start` gets its new entry.
pub fn restart<T, E: From<ContainerError>>(
    containers: &Containers,
    entry: &Entry,
    stop: Stop,
    start: impl FnOnce(&Entry) -> Result<T, E>,
) -> Result<T, E> {
    self::stop(entry, Stop { keep: true, ..stop })?;
    let started = start(&containers.find(&entry.record.id)?)?;
    containers.tell(entry, "restart", &[]);
    Ok(started)
}

/// Sends a signal to a container's program. After a kill, returns only when the program is gone.
pub fn kill(entry: &Entry, number: i32) -> Result<(), ContainerError> {
    if !entry.state.status.is_alive() {
        return Err(ContainerError::NotRunning { name: entry.record.plain_name().to_owned() });
    }
    entry.signal(number)?;
    if number == KILL {
        entry.wait()?;
    }
    Ok(())
}

/// Parses a signal's name or number, as docker does.
pub fn signal_of(text: &str) -> Result<i32, RequestError> {
    signal::number(text).ok_or_else(|| RequestError::refused(format!("invalid signal: {text}")))
}
