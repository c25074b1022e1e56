//! `rbuild system service boot` and `shutdown`: what docker's daemon does with containers when it starts and ends.

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::start::tell;
use crate::cli::global::Global;
use crate::cli::output;
use crate::engine::container::{ShutDown, Starting, brought_back, shut_down as end_all};

/// Starts the containers one by one, dependencies first. Errors are reported at the end.
pub fn boot(global: &Global) -> Result<(), CliError> {
    let containers = each::open(global)?;
    let mut errors = Vec::new();
    for id in brought_back(&containers)? {
        let started = Starting::begin(1, containers.store_root())
            .and_then(|mut starting| starting.start(&containers, &containers.find(&id)?));
        match started {
            Ok(started) => {
                tell(&started);
                output::print(&format!("{id}\n"))?;
            }
            Err(error) => errors.push(CliError::of_request(error).context(&format!("cannot start container {id}"))),
        }
    }
    CliError::all(errors).map_or(Ok(()), Err)
}

/// Stops all containers in parallel, each with its own timeout.
pub fn shut_down(global: &Global) -> Result<(), CliError> {
    let mut errors = Vec::new();
    for ShutDown { id, ended } in end_all(&each::open(global)?)? {
        match ended {
            Ok(()) => output::print(&format!("{id}\n"))?,
            Err(error) => errors.push(CliError::of_container(error).exit_code(1)),
        }
    }
    CliError::all(errors).map_or(Ok(()), Err)
}
