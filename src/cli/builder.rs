//! `rbuild builder ...`: the build cache.

use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use super::commands::Global;

#[derive(Debug, Subcommand)]
enum BuilderCommand {
    Build(Box<super::build::Args>),
    Prune(super::cache_prune::Args),
}

/// Manage the build cache
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: BuilderCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        BuilderCommand::Build(args) => super::build::run(*args, global),
        BuilderCommand::Prune(args) => super::cache_prune::run(args, global),
    }
}
