//! `rbuild image ...`: the management form of the commands for images.

pub mod copy;
pub mod diff;
pub mod explore;
pub mod history;
pub mod import;
pub mod list;
pub mod load;
pub mod prune;
pub mod pull;
pub mod push;
pub mod rmi;
pub mod save;
pub mod tag;
pub mod tree;
pub mod waste;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    Build(Box<crate::cli::build::Args>),
    Diff(diff::Args),
    Explore(explore::Args),
    History(history::Args),
    Imagetools(crate::cli::buildx::ImagetoolsArgs),
    Import(import::Args),
    Inspect(crate::cli::inspect::ImageArgs),
    Load(load::Args),
    #[command(visible_alias = "list")]
    Ls(list::Args),
    Prune(prune::Args),
    Pull(pull::Args),
    Push(push::Args),
    #[command(visible_alias = "remove")]
    Rm(rmi::Args),
    Save(save::Args),
    Tag(tag::Args),
    Waste(waste::Args),
}

/// Manage images
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ImageCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        ImageCommand::Build(args) => crate::cli::build::run(*args, global),
        ImageCommand::Diff(args) => diff::run(args, global),
        ImageCommand::Explore(args) => explore::run(args, global),
        ImageCommand::History(args) => history::run(args, global),
        ImageCommand::Imagetools(args) => crate::cli::buildx::run_imagetools(args, global),
        ImageCommand::Import(args) => import::run(args, global),
        ImageCommand::Inspect(args) => crate::cli::inspect::run_image(args, global),
        ImageCommand::Load(args) => load::run(args, global),
        ImageCommand::Ls(args) => list::run(args, global),
        ImageCommand::Prune(args) => prune::run(args, global),
        ImageCommand::Pull(args) => pull::run(args, global),
        ImageCommand::Push(args) => push::run(args, global),
        ImageCommand::Rm(args) => rmi::run(args, global),
        ImageCommand::Save(args) => save::run(args, global),
        ImageCommand::Tag(args) => tag::run(args, global),
        ImageCommand::Waste(args) => waste::run(args, global),
    }
}
