//! `rbuild diff`

use std::process::ExitCode;

use super::commands::Global;
use super::{CliError, containers, output};
use crate::container::{Change, changes};

/// Show what a container changed of its image's files
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, an ID or the beginning of one
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = containers::open(global)?;
    let entry = containers::find(&containers, &args.container)?;
    let line = |(path, change): (&std::path::PathBuf, &Change)| {
        let letter = match change {
            Change::Added => 'A',
            Change::Changed => 'C',
            Change::Deleted => 'D',
        };
        format!("{letter} {}\n", path.display())
    };
    let found = changes(&entry)?;
    output::print(&found.iter().map(line).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}
