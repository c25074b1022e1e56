//! `rbuild restart`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::container::start::{fork, tell};
use crate::cli::global::Global;
use crate::container::Stop;
use crate::engine::container::restart;

/// Stop containers, and start them again
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    stop: crate::cli::container::stop::Args,
}

pub fn run(Args { stop: args }: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut starting = fork(args.containers.len(), global)?;
    let containers = each::open(global)?;
    let stop = Stop { signal: args.signal, timeout: args.timeout, keep: true, is_removal: false };
    each::each(&containers, &args.containers, |entry| {
        let started = restart(&containers, &entry, stop, |entry| starting.start(&containers, entry));
        tell(&started.map_err(CliError::of_request)?);
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
