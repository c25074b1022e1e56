//! `rbuild buildx imagetools ...`, `rbuild image imagetools ...`: images in registries, without downloading them.

mod create;
mod inspect;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::CliError;

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

pub fn run(args: Args) -> Result<ExitCode, CliError> {
    args.builder.check()?;
    match args.command {
        ImagetoolsCommand::Create(args) => create::run(&args)?,
        ImagetoolsCommand::Inspect(args) => inspect::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
