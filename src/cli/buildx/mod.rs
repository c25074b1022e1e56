//! `rbuild buildx ...` and `rbuild builder ...`: builds under buildx's names, the one builder, and its cache.

mod builders;
mod du;
mod imagetools;
pub mod prune;

pub mod max_store;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::global::Global;
use crate::cli::system::version;
use crate::cli::{CliError, bake, build, output};

pub use imagetools::Args as ImagetoolsArgs;

/// The name of the one builder there is.
const BUILDER: &str = "default";

#[derive(Debug, Subcommand)]
enum BuildxCommand {
    #[command(alias = "f")]
    Bake(Box<bake::Args>),
    Build(Box<build::Args>),
    Create(builders::CreateArgs),
    Du(du::Args),
    Imagetools(imagetools::Args),
    Inspect(builders::InspectArgs),
    Ls(builders::ListArgs),
    Prune(prune::Args),
    Rm(builders::RemoveArgs),
    Stop(builders::StopArgs),
    Use(builders::UseArgs),
    Version(VersionArgs),
}

/// Build images, and manage the build cache
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    builder: Builder,
    #[command(subcommand)]
    command: BuildxCommand,
}

/// Which builder is meant
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Builder {
    /// The builder: rbuild has one, `default`
    #[arg(long = "builder", value_name = "NAME")]
    builder: Option<String>,
    /// Taken as buildx takes it; rbuild writes no log
    #[arg(short = 'D', long)]
    debug: bool,
}

/// Show which buildx these commands follow
#[derive(Debug, clap::Args)]
struct VersionArgs {
    #[command(flatten)]
    builder: Builder,
}

impl Builder {
    /// Refuses other builders than the one there is.
    pub fn check(&self) -> Result<(), CliError> {
        if let Some(name) = &self.builder {
            return check_name(name);
        }
        let variable = std::env::var("BUILDX_BUILDER").ok().filter(|name| !name.is_empty());
        variable.map_or(Ok(()), |name| check_name(&name).map_err(|error| error.context("BUILDX_BUILDER")))
    }
}

/// No name means the builder in use.
fn check_name(name: &str) -> Result<(), CliError> {
    if name.is_empty() || name == BUILDER {
        return Ok(());
    }
    Err(CliError::new(format!("no builder `{name}` found")).hint(ONE))
}

const ONE: &str = "rbuild has one builder, `default`: the program itself, on this machine";

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    if let BuildxCommand::Bake(bake) = &args.command {
        // What only reads files needs no builder.
        return bake::run(bake, global);
    }
    args.builder.check()?;
    match args.command {
        BuildxCommand::Bake(args) => bake::run(&args, global),
        BuildxCommand::Build(args) => build::run(*args, global),
        BuildxCommand::Create(args) => builders::create(&args),
        BuildxCommand::Du(args) => du::run(&args, global),
        BuildxCommand::Imagetools(args) => imagetools::run(args),
        BuildxCommand::Inspect(args) => builders::inspect(&args),
        BuildxCommand::Ls(args) => builders::list(&args),
        BuildxCommand::Prune(args) => prune::run(args, global),
        BuildxCommand::Rm(args) => builders::remove(&args),
        BuildxCommand::Stop(args) => builders::stop(&args),
        BuildxCommand::Use(args) => builders::use_builder(&args),
        BuildxCommand::Version(args) => {
            args.builder.check()?;
            output::print(&version::buildx_line())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub fn run_imagetools(args: ImagetoolsArgs) -> Result<ExitCode, CliError> {
    imagetools::run(args)
}
