//! `rbuild buildx ...` and `rbuild builder ...`: builds, builders and the build cache under buildx's names.

mod alias;
mod builders;
mod du;
mod history;
mod imagetools;
pub mod prune;

pub mod max_store;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use crate::cli::global::{BuilderChoice, Global};
use crate::cli::system::version;
use crate::cli::{CliError, bake, build, output};
use crate::engine::builders::{BuilderError, DEFAULT};
use crate::transport::docker_engine::Address;

pub use imagetools::Args as ImagetoolsArgs;

#[derive(Debug, Subcommand)]
enum BuildxCommand {
    #[command(alias = "f")]
    Bake(Box<bake::Args>),
    Build(Box<build::Args>),
    Create(builders::CreateArgs),
    Du(du::Args),
    History(history::Args),
    Imagetools(imagetools::Args),
    Inspect(builders::InspectArgs),
    #[command(hide = true)]
    Install(alias::InstallArgs),
    Ls(builders::ListArgs),
    Prune(prune::Args),
    Rm(builders::RemoveArgs),
    Stop(builders::StopArgs),
    #[command(hide = true)]
    Uninstall(alias::UninstallArgs),
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
    /// The builder: every name means this program
    #[arg(long = "builder", value_name = "NAME")]
    builder: Option<String>,
    /// Accepted for buildx's sake; rbuild writes no log. With `build`, opens a shell in a failed step, as
    /// `--on-error=shell` does
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
    /// Whether errors should have more details.
    pub fn is_debug(&self) -> bool {
        self.debug
    }

    /// The name from the command line, or else from the environment.
    pub fn named(&self) -> Option<String> {
        let set = || std::env::var("BUILDX_BUILDER").ok();
        self.builder.clone().or_else(set).filter(|name| !name.is_empty())
    }

    /// The chosen builder: the given one, or else the one in use.
    pub fn found(&self, global: &Global) -> Result<crate::engine::builders::Builder, CliError> {
        let builders = builders::beside(global)?;
        if let Some(name) = &self.builder
            && !name.is_empty()
        {
            return builders.find(name).map_err(unknown);
        }
        match (&global.builder, self.named()) {
            (BuilderChoice::Named(name), _) => builders.find(name).map_err(unknown),
            (_, Some(name)) => builders.find(&name).map_err(|error| unknown(error).context("BUILDX_BUILDER")),
            (BuilderChoice::Current, None) => Ok(builders.current()?),
            (BuilderChoice::Context, None) => Ok(builders.of_context()),
            (BuilderChoice::Found(found), None) => Ok((**found).clone()),
        }
    }

    /// Refuses a missing builder.
    pub fn check(&self, global: &Global) -> Result<(), CliError> {
        self.found(global).map(drop)
    }

    /// The same for builds: sets the chosen builder, which must be on this machine, and the engine it works for.
    pub fn meant(&self, global: &Global) -> Result<Global, CliError> {
        let found = self.found(global)?;
        found.check_place()?;
        let mut global = global.clone();
        let is_in_use = found.name == DEFAULT || global.engine_in_use()?.context.as_deref() == Some(&found.name);
        if found.dynamic && global.engine.is_some() && !is_in_use {
            global.engine = Some(Address::meant(None, Some(&found.name))?);
        }
        global.builder = BuilderChoice::Found(Arc::new(found));
        Ok(global)
    }
}

/// An error about a builder, with a hint to the existing ones.
fn unknown(error: BuilderError) -> CliError {
    let hint = match &error {
        BuilderError::Unknown { name } => Some(format!(
            "`docker buildx ls` lists those there are, and `docker buildx create --name {name}` makes it: all of them are rbuild"
        )),
        BuilderError::IsContext { name } => Some(format!("`docker context use {name}` changes the context")),
        _ => None,
    };
    CliError::from(error).hint_if(hint)
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let mut global = global.clone();
    global.builder = match args.builder.builder.clone().filter(|name| !name.is_empty()) {
        Some(name) => BuilderChoice::Named(name),
        None => BuilderChoice::Current,
    };
    let global = &global;
    match args.command {
        BuildxCommand::Bake(args) => bake::run(&args, global),
        BuildxCommand::Build(args) => build::run(*args, global),
        BuildxCommand::Create(args) => builders::create(args, global),
        BuildxCommand::Du(args) => du::run(&args, global),
        BuildxCommand::History(args) => history::run(args, global),
        BuildxCommand::Imagetools(args) => imagetools::run(args, global),
        BuildxCommand::Inspect(args) => builders::inspect(&args, global),
        BuildxCommand::Install(args) => alias::install(&args),
        BuildxCommand::Uninstall(args) => alias::uninstall(&args),
        BuildxCommand::Ls(args) => builders::list(&args, global),
        BuildxCommand::Prune(args) => prune::run(args, global),
        BuildxCommand::Rm(args) => builders::remove(&args, global),
        BuildxCommand::Stop(args) => builders::stop(&args, global),
        BuildxCommand::Use(args) => builders::use_builder(&args, global),
        BuildxCommand::Version(_) => {
            output::print(&version::buildx_line())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub fn run_imagetools(args: ImagetoolsArgs, global: &Global) -> Result<ExitCode, CliError> {
    imagetools::run(args, global)
}
