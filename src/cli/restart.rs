//! `rbuild restart`

use std::process::ExitCode;

use super::commands::Global;
use super::start::{fork_monitors, start};
use super::{CliError, containers};
use crate::container::Stop;

/// Stop containers, and start them again
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Instead of the container's own
    #[arg(short, long, value_name = "SIGNAL", value_parser = containers::signal)]
    signal: Option<i32>,
    /// Seconds to wait before it is killed; -1 to wait for ever
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: Option<i64>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut monitors = fork_monitors(args.containers.len(), global)?;
    let containers = containers::open(global)?;
    let stop = Stop { signal: args.signal, timeout: args.timeout, keep: true };
    containers::each(&containers, &args.containers, |entry| {
        if entry.is_running {
            entry.stop(stop)?;
        }
        start(&containers, &containers::find(&containers, &entry.record.id)?, monitors.pop())
    })?;
    Ok(ExitCode::SUCCESS)
}
