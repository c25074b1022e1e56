//! `rbuild create`

use std::process::ExitCode;

use crate::cli::container::run::{ContainerArgs, Use, make};
use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// Create a container without starting it
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[command(flatten)]
    container: ContainerArgs,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let (_, entry) = make(&args.container, Use::Create, global)?;
    output::print(&format!("{}\n", entry.record.id))?;
    Ok(ExitCode::SUCCESS)
}
