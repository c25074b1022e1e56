//! `rbuild create`

use std::process::ExitCode;

use crate::cli::container::run::{ContainerArgs, make};
use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// Make a container without starting it
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[command(flatten)]
    container: ContainerArgs,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let (_, entry) = make(&args.container, true, global).map_err(|error| error.exit_code(1))?;
    output::print(&format!("{}\n", entry.record.id))?;
    Ok(ExitCode::SUCCESS)
}
