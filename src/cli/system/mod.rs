//! `rbuild system ...`

mod check;
mod df;
mod prune;
mod service;

pub mod events;
pub mod info;
pub mod version;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;

#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    Check(check::Args),
    Df(df::Args),
    Events(events::Args),
    Info(info::Args),
    Prune(prune::Args),
    Service(service::Args),
}

/// Manage the store and the service
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: SystemCommand,
}

impl Args {
    /// While it runs, the service is one of the store's long-lived processes.
    pub(super) fn starts_containers(&self) -> bool {
        matches!(self.command, SystemCommand::Service(_))
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        SystemCommand::Check(args) => check::run(&args, global),
        SystemCommand::Df(args) => df::run(&args, global),
        SystemCommand::Events(args) => events::run(args, global),
        SystemCommand::Info(args) => info::run(args, global),
        SystemCommand::Prune(args) => prune::run(&args, global),
        SystemCommand::Service(args) => service::run(&args, global),
    }
}
