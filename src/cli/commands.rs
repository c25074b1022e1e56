//! The list of commands, and how `rbuild WORDS...` finds its command.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::CliError;

/// Builds OCI images from Dockerfiles, and runs, saves, loads and pulls them. No daemon.
///
/// When the first word is no command, it is `build`: `rbuild -t cat:1.0 .`
#[derive(Debug, Parser)]
#[command(name = "rbuild", version, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The store [default: $XDG_DATA_HOME/rbuild, or /var/lib/rbuild for root]
    #[arg(long, global = true, env = "RBUILD_ROOT", value_name = "DIR", hide_env_values = true)]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Parse(super::parse::Args),
}

/// The program: reads the arguments, runs the command, prints its error.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    match cli.command {
        Command::Parse(args) => super::parse::run(args, &cli.global),
    }
}
