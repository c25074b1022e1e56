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
    Attach(super::attach::Args),
    Bundle(super::bundle::Args),
    Commit(super::commit::Args),
    Cp(super::cp::Args),
    Diff(super::diff::Args),
    Stats(super::stats::Args),
    Prune(super::container_prune::Args),
    Create(Box<super::create::Args>),
    Exec(super::exec::Args),
    Kill(super::kill::Args),
    Logs(super::logs::Args),
    Pause(super::pause::PauseArgs),
    Rename(super::rename::Args),
    Restart(super::restart::Args),
    Start(super::start::Args),
    Stop(super::stop::Args),
    Top(super::top::Args),
    Unpause(super::pause::UnpauseArgs),
    Update(super::update::Args),
    Wait(super::wait::Args),
}

/// Manage containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ContainerCommand,
}

impl Args {
    pub(super) fn starts_containers(&self) -> bool {
        matches!(self.command, ContainerCommand::Run(_) | ContainerCommand::Start(_) | ContainerCommand::Restart(_))
    }
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        ContainerCommand::Export(args) => super::export::run(args, global),
        ContainerCommand::Inspect(args) => super::inspect::run_container(args, global),
        ContainerCommand::Ls(args) => super::ps::run(args, global),
        ContainerCommand::Rm(args) => super::rm::run(args, global),
        ContainerCommand::Port(args) => super::port::run(args, global),
        ContainerCommand::Run(args) => super::run::run(*args, global),
        ContainerCommand::Bundle(args) => super::bundle::run(args, global),
        ContainerCommand::Commit(args) => super::commit::run(args, global),
        ContainerCommand::Cp(args) => super::cp::run(args, global),
        ContainerCommand::Diff(args) => super::diff::run(args, global),
        ContainerCommand::Stats(args) => super::stats::run(args, global),
        ContainerCommand::Prune(args) => super::container_prune::run(args, global),
        ContainerCommand::Attach(args) => super::attach::run(args, global),
        ContainerCommand::Create(args) => super::create::run(*args, global),
        ContainerCommand::Exec(args) => super::exec::run(args, global),
        ContainerCommand::Kill(args) => super::kill::run(args, global),
        ContainerCommand::Logs(args) => super::logs::run(args, global),
        ContainerCommand::Pause(args) => super::pause::pause(args, global),
        ContainerCommand::Rename(args) => super::rename::run(args, global),
        ContainerCommand::Restart(args) => super::restart::run(args, global),
        ContainerCommand::Start(args) => super::start::run(args, global),
        ContainerCommand::Stop(args) => super::stop::run(args, global),
        ContainerCommand::Top(args) => super::top::run(args, global),
        ContainerCommand::Unpause(args) => super::pause::unpause(args, global),
        ContainerCommand::Update(args) => super::update::run(args, global),
        ContainerCommand::Wait(args) => super::wait::run(args, global),
    }
}
