//! `rbuild kill`

use std::process::ExitCode;

use super::commands::Global;
use super::{CliError, containers};

const KILL: i32 = 9;

/// Send a signal to containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
    /// The signal to send, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL", value_parser = containers::signal)]
    signal: i32,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let containers = containers::open(global)?;
    containers::each(&containers, &args.containers, |entry| {
        let name = entry.record.plain_name();
        entry
            .signal(args.signal)
            .map_err(|error| CliError::from(error).exit_code(1).context(&format!("cannot kill container: {name}")))?;
        if args.signal == KILL {
            // Nothing can come in between: it is gone when this command is.
            entry.wait()?;
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
