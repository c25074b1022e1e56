//! One more program in a container that runs: on this process's own streams, or written down for whoever starts it later.

use super::RequestError;
use crate::container::{self, ContainerError, Containers, DetachKeys, Entry, ExecOptions, ExecRecord, Left};

/// Who has the program's streams.
#[derive(Debug)]
pub enum ExecWay {
    /// Nobody; it goes on by itself.
    Background,
    /// This process, until the program has ended or the user leaves by `keys`.
    Foreground {
        /// Its input is passed on too.
        interactive: bool,
        /// The keys that end the session and not the program.
        keys: DetachKeys,
    },
}

/// Runs a program, and tells whoever listens to events. `options` get their ID here. Nothing is known of the end of one in
/// the background.
pub fn exec(
    containers: &Containers,
    entry: &Entry,
    options: ExecOptions,
    way: ExecWay,
) -> Result<Option<Left>, ContainerError> {
    let options = ExecOptions { id: container::new_exec_id()?, ..options };
    // The program, a blank, and all its arguments, of which there may be none.
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

/// Refuses to start a program a second time, or in a container that has ended meanwhile.
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
