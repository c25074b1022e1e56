//! `rbuild buildx imagetools ...`, `rbuild image imagetools ...`: images in registries, without downloading them.

mod create;
mod inspect;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::global::Global;

#[derive(Debug, Subcommand)]
enum ImagetoolsCommand {
    Create(create::Args),
    Inspect(inspect::Args),
}

/// Make and show images in registries
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: super::Builder,
    #[command(subcommand)]
    command: ImagetoolsCommand,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    args.builder.check(global)?;
    match args.command {
        ImagetoolsCommand::Create(args) => create::run(&args, global)?,
        ImagetoolsCommand::Inspect(args) => inspect::run(&args, global)?,
    }
    Ok(ExitCode::SUCCESS)
}
