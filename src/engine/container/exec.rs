//! Runs another program in a running container: on this process's own streams, or recorded for a later start.

use super::RequestError;
use crate::container::{self, ContainerError, Containers, DetachKeys, Entry, ExecOptions, ExecRecord, Left};

/// What happens to the program's streams.
#[derive(Debug)]
pub enum ExecWay {
    /// They are not connected; the program runs on its own.
    Background,
    /// Connected to this process, until the program has ended or the user detaches with `keys`.
    Foreground {
        /// Whether stdin is forwarded, too.
        interactive: bool,
        /// The keys that end the session, but not the program.
        keys: DetachKeys,
    },
}

/// Runs a program, and reports its events, but not the end of one in the background. Sets the ID in `options`.
pub fn exec(
    containers: &Containers,
    entry: &Entry,
    options: ExecOptions,
    way: ExecWay,
) -> Result<Option<Left>, ContainerError> {
    let options = ExecOptions { id: container::new_exec_id()?, ..options };
    // The program, a blank, and all its arguments, if any.
    let command = options.command.split_first().map(|(program, rest)| format!("{program} {}", rest.join(" ")));
    let command = command.unwrap_or_default();
    let id = options.id.as_str();
    let event = |action: &str| containers.tell(entry, &format!("{action}: {command}"), &[("execID", id)]);
    event("exec_create");
    let ExecWay::Foreground { interactive, keys } = way else {
        container::exec_in_background(entry, &options)?;
        event("exec_start");
        return Ok(None);
    };
    let left = container::exec_in_foreground(entry, &options, interactive, keys, |_| event("exec_start"))?;
    match &left {
        Left::Ended(ending) => {
            let code = ending.exit_code.to_string();
            containers.tell(entry, "exec_die", &[("execID", id), ("exitCode", &code)]);
        }
        _ => containers.tell(entry, "exec_detach", &[("execID", id)]),
    }
    Ok(Some(left))
}

/// Refuses what no container could run.
pub fn check_exec(record: &ExecRecord) -> Result<(), RequestError> {
    if record.command.is_empty() {
        return Err(RequestError::refused("No exec command specified"));
    }
    DetachKeys::parse(&record.detach_keys)?;
    Ok(())
}

/// Refuses to start a program twice, or in a container that has ended meanwhile.
pub fn check_exec_start(entry: &Entry, record: &ExecRecord) -> Result<(), RequestError> {
    if record.has_begun() {
        let state = if record.is_running() { "is already running" } else { "has already run" };
        return Err(RequestError::ExecBegun { id: record.id.clone(), state });
    }
    if !entry.state.status.is_alive() {
        return Err(ContainerError::NotRunning { name: entry.record.id.clone() }.into());
    }
    Ok(())
}
