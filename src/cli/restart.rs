//! `rbuild restart`

use std::process::ExitCode;

use super::commands::Global;
use super::start::{fork_monitors, start};
use super::{CliError, containers};
use crate::container::Stop;

/// Stop containers, and start them again
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    stop: super::stop::Args,
}

pub fn run(Args { stop: args }: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut monitors = fork_monitors(args.containers.len(), global)?;
    let containers = containers::open(global)?;
    let stop = Stop { signal: args.signal, timeout: args.timeout, keep: true, is_removal: false };
    containers::each(&containers, &args.containers, |entry| {
        if entry.is_running {
            entry.stop(stop)?;
        }
        start(&containers, &containers::find(&containers, &entry.record.id)?, monitors.pop())?;
        containers.tell(&entry, "restart", &[]);
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
