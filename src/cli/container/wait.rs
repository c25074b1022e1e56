//! `rbuild wait`

use std::process::ExitCode;

use crate::cli::container::each;
use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// Wait until containers stop, and print their exit codes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    let mut errors = Vec::new();
    for word in &args.containers {
        match each::find(&containers, word).and_then(|entry| Ok(entry.wait()?)) {
            Ok(ending) => output::print(&format!("{}\n", ending.exit_code))?,
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}
