//! `rbuild container bundle`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::global::Global;
use crate::container::write_bundle;

/// Write a container as an OCI bundle, which runc and crun run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// A folder that is empty, or not there yet
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let entry = each::find(&containers, &args.container)?;
    write_bundle(&entry, &args.folder)?;
    Ok(ExitCode::SUCCESS)
}
