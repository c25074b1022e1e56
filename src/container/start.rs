//! A container's life in the foreground.

use jiff::Timestamp;

use super::attach::{self, Streams};
use super::directory::{Containers, Entry};
use super::error::ContainerError;
use super::launch;
use super::state::{State, Status};
use super::wiring;
use crate::sandbox::Outcome;

/// A container that was run to its end.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// What the user should be told.
    pub warning: Option<String>,
}

/// Runs a container in the foreground to its end, and keeps or removes it.
pub fn run(containers: &Containers, mut entry: Entry) -> Result<Ended, ContainerError> {
    let _running = entry.take()?;
    if entry.record.host_config.auto_remove {
        entry.mark_for_removal()?;
    }
    let result = execute(&mut entry);
    finish(containers, entry, result)
}

fn execute(entry: &mut Entry) -> Result<Ended, ContainerError> {
    let wiring = wiring::connect(&entry.record, &entry.path)?;
    let container = launch::prepare(&entry.record, &entry.path, &wiring)?;
    let streams = Streams { interactive: entry.record.config.open_stdin, proxy_signals: true };
    let outcome = attach::run(&container, streams, |running| {
        entry.state = State {
            status: Status::Running,
            pid: running.pid(),
            started_at: Some(Timestamp::now()),
            mount_points: running.created_mount_points().to_vec(),
            network: wiring.settings.clone(),
            ..State::default()
        };
        entry.write_state()
    })?;
    Ok(Ended { outcome, warning: wiring.warning.clone() })
}

/// Writes down how it ended, or removes it. When that fails too, the first error counts.
fn finish(
    containers: &Containers,
    mut entry: Entry,
    result: Result<Ended, ContainerError>,
) -> Result<Ended, ContainerError> {
    if entry.record.host_config.auto_remove {
        let removed = containers.remove_own(&entry.record.id);
        let ended = result?;
        removed?;
        return Ok(ended);
    }
    let state = &mut entry.state;
    state.pid = 0;
    match &result {
        Ok(ended) => {
            state.status = Status::Exited;
            state.exit_code = ended.outcome.status.code();
            state.oom_killed = ended.outcome.out_of_memory;
        }
        Err(error) => {
            state.status = Status::Created;
            state.exit_code = error.exit_code();
            state.error = error.to_string();
        }
    }
    state.finished_at = Some(Timestamp::now());
    let written = entry.write_state();
    let ended = result?;
    written?;
    Ok(ended)
}
