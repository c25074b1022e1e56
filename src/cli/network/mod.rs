//! `rbuild network ...`

mod create;
mod list;
mod membership;
mod prune;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::global::Global;
use crate::cli::inspect::{self, Kind};
use crate::cli::{CliError, output};
use crate::container::network::NetworkError;
use crate::engine::network;

pub use prune::prune;

#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    Connect(membership::ConnectArgs),
    Create(create::Args),
    Disconnect(membership::DisconnectArgs),
    Inspect(InspectArgs),
    #[command(visible_alias = "list")]
    Ls(list::Args),
    Prune(prune::Args),
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
}

/// Manage networks
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: NetworkCommand,
}

/// Show all that is known of networks, as JSON
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Accepted for docker's sake: there is nothing more to show on one machine
    #[arg(short, long, hide = true)]
    verbose: bool,
}

/// Remove networks
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
    /// One that is not there is no error
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        NetworkCommand::Connect(args) => membership::connect(&args, global),
        NetworkCommand::Create(args) => create::run(args, global),
        NetworkCommand::Disconnect(args) => membership::disconnect(&args, global),
        NetworkCommand::Inspect(args) => {
            inspect::inspect(&args.names, args.format.as_deref(), Some(Kind::Network), false, global)
        }
        NetworkCommand::Ls(args) => list::run(&args, global),
        NetworkCommand::Prune(args) => prune::run(&args, global),
        NetworkCommand::Rm(args) => remove(&args, global),
    }
}

fn remove(args: &RemoveArgs, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let mut errors = Vec::new();
    for name in &args.names {
        match network::remove(store.root(), name) {
            Ok(_) => output::print(&format!("{name}\n"))?,
            Err(NetworkError::Unknown { .. }) if args.force => {}
            Err(error) => errors.push(network_error(error)),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}

fn network_error(error: NetworkError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
