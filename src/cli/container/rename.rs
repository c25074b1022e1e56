//! `rbuild rename`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::global::Global;

/// Give a container another name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "NEW_NAME")]
    name: String,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    let name = args.name.trim_start_matches('/');
    containers.rename(&entry, name).map_err(|error| CliError::of_container(error).exit_code(1))?;
    Ok(ExitCode::SUCCESS)
}
