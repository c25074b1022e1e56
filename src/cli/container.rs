//! `rbuild container ...`: the management form of the commands for containers.

use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use super::commands::Global;

#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    Export(super::export::Args),
    Inspect(super::inspect::ContainerArgs),
    #[command(visible_alias = "list", alias = "ps")]
    Ls(super::ps::Args),
    #[command(visible_alias = "remove")]
    Rm(super::rm::Args),
    Port(super::port::Args),
    Run(Box<super::run::Args>),
}

/// Manage containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ContainerCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        ContainerCommand::Export(args) => super::export::run(args, global),
        ContainerCommand::Inspect(args) => super::inspect::run_container(args, global),
        ContainerCommand::Ls(args) => super::ps::run(args, global),
        ContainerCommand::Rm(args) => super::rm::run(args, global),
        ContainerCommand::Port(args) => super::port::run(args, global),
        ContainerCommand::Run(args) => super::run::run(*args, global),
    }
}
