//! `rbuild kill`

use std::process::ExitCode;

use crate::cli::CliError;
use crate::cli::container::each;
use crate::cli::global::Global;
use crate::engine::container::kill;

/// Send a signal to containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// The signal to send, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL", value_parser = each::signal)]
    signal: i32,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = each::open(global)?;
    each::each(&containers, &args.containers, |entry| {
        let name = entry.record.plain_name();
        kill(&entry, args.signal)
            .map_err(|error| CliError::from(error).exit_code(1).context(&format!("cannot kill container: {name}")))
    })?;
    Ok(ExitCode::SUCCESS)
}
