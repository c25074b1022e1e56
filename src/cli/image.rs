//! `rbuild image ...`: the management form of the commands for images.

use std::process::ExitCode;

use clap::Subcommand;

use super::CliError;
use super::commands::Global;

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    Build(Box<super::build::Args>),
    History(super::history::Args),
    Imagetools(super::buildx::ImagetoolsArgs),
    Import(super::import::Args),
    Inspect(super::inspect::ImageArgs),
    Load(super::load::Args),
    #[command(visible_alias = "list")]
    Ls(super::images::Args),
    Prune(super::image_prune::Args),
    Pull(super::pull::Args),
    Push(super::push::Args),
    #[command(visible_alias = "remove")]
    Rm(super::rmi::Args),
    Save(super::save::Args),
    Tag(super::tag::Args),
}

/// Manage images
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ImageCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        ImageCommand::Build(args) => super::build::run(*args, global),
        ImageCommand::History(args) => super::history::run(args, global),
        ImageCommand::Imagetools(args) => super::buildx::run_imagetools(args),
        ImageCommand::Import(args) => super::import::run(args, global),
        ImageCommand::Inspect(args) => super::inspect::run_image(args, global),
        ImageCommand::Load(args) => super::load::run(args, global),
        ImageCommand::Ls(args) => super::images::run(args, global),
        ImageCommand::Prune(args) => super::image_prune::run(args, global),
        ImageCommand::Pull(args) => super::pull::run(args, global),
        ImageCommand::Push(args) => super::push::run(args, global),
        ImageCommand::Rm(args) => super::rmi::run(args, global),
        ImageCommand::Save(args) => super::save::run(args, global),
        ImageCommand::Tag(args) => super::tag::run(args, global),
    }
}
