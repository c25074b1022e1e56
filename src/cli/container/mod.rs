//! `rbuild container ...`: the management form of the commands for containers.

pub mod attach;
pub mod bundle;
pub mod commit;
pub mod cp;
pub mod create;
pub mod diff;
pub mod each;
pub mod exec;
pub mod export;
pub mod kill;
pub mod logs;
pub mod pause;
pub mod port;
pub mod prune;
pub mod ps;
pub mod rename;
pub mod restart;
pub mod rm;
pub mod run;
pub mod start;
pub mod stats;
pub mod stop;
pub mod top;
pub mod update;
pub mod wait;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;

#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    Export(export::Args),
    Inspect(crate::cli::inspect::ContainerArgs),
    #[command(visible_alias = "list", alias = "ps")]
    Ls(ps::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
    Port(port::Args),
    Run(Box<run::Args>),
    Attach(attach::Args),
    Bundle(bundle::Args),
    Commit(commit::Args),
    Cp(cp::Args),
    Diff(diff::Args),
    Stats(stats::Args),
    Prune(prune::Args),
    Create(Box<create::Args>),
    Exec(exec::Args),
    Kill(kill::Args),
    Logs(logs::Args),
    Pause(pause::PauseArgs),
    Rename(rename::Args),
    Restart(restart::Args),
    Start(start::Args),
    Stop(stop::Args),
    Top(top::Args),
    Unpause(pause::UnpauseArgs),
    Update(update::Args),
    Wait(wait::Args),
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
        ContainerCommand::Export(args) => export::run(args, global),
        ContainerCommand::Inspect(args) => crate::cli::inspect::run_container(args, global),
        ContainerCommand::Ls(args) => ps::run(args, global),
        ContainerCommand::Rm(args) => rm::run(args, global),
        ContainerCommand::Port(args) => port::run(args, global),
        ContainerCommand::Run(args) => run::run(*args, global),
        ContainerCommand::Bundle(args) => bundle::run(args, global),
        ContainerCommand::Commit(args) => commit::run(args, global),
        ContainerCommand::Cp(args) => cp::run(args, global),
        ContainerCommand::Diff(args) => diff::run(args, global),
        ContainerCommand::Stats(args) => stats::run(args, global),
        ContainerCommand::Prune(args) => prune::run(args, global),
        ContainerCommand::Attach(args) => attach::run(args, global),
        ContainerCommand::Create(args) => create::run(*args, global),
        ContainerCommand::Exec(args) => exec::run(args, global),
        ContainerCommand::Kill(args) => kill::run(args, global),
        ContainerCommand::Logs(args) => logs::run(args, global),
        ContainerCommand::Pause(args) => pause::pause(args, global),
        ContainerCommand::Rename(args) => rename::run(args, global),
        ContainerCommand::Restart(args) => restart::run(args, global),
        ContainerCommand::Start(args) => start::run(args, global),
        ContainerCommand::Stop(args) => stop::run(args, global),
        ContainerCommand::Top(args) => top::run(args, global),
        ContainerCommand::Unpause(args) => pause::unpause(args, global),
        ContainerCommand::Update(args) => update::run(args, global),
        ContainerCommand::Wait(args) => wait::run(args, global),
    }
}
