//! `rbuild system ...`

mod check;
mod df;
mod prune;

use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use super::commands::Global;

#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    Check(check::Args),
    Df(df::Args),
    Events(crate::cli::events::Args),
    Info(super::info::Args),
    Prune(prune::Args),
}

/// Manage what rbuild keeps
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: SystemCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        SystemCommand::Check(args) => check::run(&args, global),
        SystemCommand::Df(args) => df::run(&args, global),
        SystemCommand::Events(args) => crate::cli::events::run(args, global),
        SystemCommand::Info(args) => super::info::run(args, global),
        SystemCommand::Prune(args) => prune::run(&args, global),
    }
}
