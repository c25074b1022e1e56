//! `rbuild pause` and `rbuild unpause`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::global::Global;

/// Pause all processes of containers
#[derive(Debug, clap::Args)]
pub struct PauseArgs {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Resume paused containers
#[derive(Debug, clap::Args)]
pub struct UnpauseArgs {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn pause(args: PauseArgs, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    each::each(&containers, &args.containers, |entry| Ok(entry.pause()?))?;
    Ok(ExitCode::SUCCESS)
}

pub fn unpause(args: UnpauseArgs, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    each::each(&containers, &args.containers, |entry| Ok(entry.unpause()?))?;
    Ok(ExitCode::SUCCESS)
}
