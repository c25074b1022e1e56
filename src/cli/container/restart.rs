//! `rbuild restart`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::start::{fork_monitors, start};
use crate::cli::global::Global;
use crate::container::Stop;

/// Stop containers, and start them again
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    stop: crate::cli::container::stop::Args,
}

pub fn run(Args { stop: args }: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut monitors = fork_monitors(args.containers.len(), global)?;
    let containers = each::open(global)?;
    let stop = Stop { signal: args.signal, timeout: args.timeout, keep: true, is_removal: false };
    each::each(&containers, &args.containers, |entry| {
        if entry.is_running {
            entry.stop(stop)?;
        }
        start(&containers, &each::find(&containers, &entry.record.id)?, monitors.pop())?;
        containers.tell(&entry, "restart", &[]);
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
