//! The builders of buildx: names for rbuild's only builder, this program on this machine.

mod create;
mod shown;

use std::process::ExitCode;

use super::Builder;
use crate::cli::global::Global;
use crate::cli::{CliError, confirm, output};
use crate::engine::builders::{Builders, Scope};

pub use create::{Args as CreateArgs, run as create};
pub use shown::{InspectArgs, ListArgs, inspect, list};

/// Remove builders
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    builder: Builder,
    /// All builders that don't run: there is none, as nothing has to be started
    #[arg(long)]
    all_inactive: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
    /// Taken: there is no daemon
    #[arg(long)]
    keep_daemon: bool,
    /// Taken: the build cache is the store's, and stays
    #[arg(long)]
    keep_state: bool,
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Stop a builder: nothing of it runs between builds
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    #[command(flatten)]
    builder: Builder,
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Set the builder that builds use
#[derive(Debug, clap::Args)]
pub struct UseArgs {
    #[command(flatten)]
    builder: Builder,
    /// Whenever nothing else is chosen for the context that is in use
    #[arg(long = "default")]
    for_context: bool,
    /// Whatever context is in use
    #[arg(long)]
    global: bool,
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Prints buildx's message for each name. Removes the existing ones even if others do not exist.
pub fn remove(args: &RemoveArgs, global: &Global) -> Result<ExitCode, CliError> {
    if args.all_inactive && args.names.is_empty() {
        let warning = "WARNING! This will remove all builders that are not in running state.";
        if !args.force {
            confirm::ask(warning)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let builders = beside(global)?;
    let mut names = args.names.clone();
    if names.is_empty() {
        names.push(args.builder.named().unwrap_or_default());
    }
    let mut all_gone = true;
    for name in &names {
        match builders.remove(name) {
            Ok(name) => output::say(format_args!("{name} removed")),
            Err(error) => {
                all_gone = false;
                output::say(format_args!("failed to remove {name}: {error}"));
            }
        }
    }
    if all_gone { Ok(ExitCode::SUCCESS) } else { Err(CliError::new("failed to remove one or more builders")) }
}

pub fn stop(args: &StopArgs, global: &Global) -> Result<ExitCode, CliError> {
    let builders = beside(global)?;
    for name in args.names.iter().cloned().chain(args.builder.named()) {
        builders.find(&name).map_err(super::unknown)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn use_builder(args: &UseArgs, global: &Global) -> Result<ExitCode, CliError> {
    let Some(name) = args.name.clone().or_else(|| args.builder.named()) else {
        return Err(CliError::new("no builder is named").hint("`docker buildx ls` lists them"));
    };
    let scope = Scope { global: args.global, default: args.for_context };
    beside(global)?.choose(&name, scope).map_err(super::unknown)?;
    Ok(ExitCode::SUCCESS)
}

/// The builders of the engine in use.
pub(super) fn beside(global: &Global) -> Result<Builders, CliError> {
    Ok(Builders::beside(&global.engine_in_use()?))
}
