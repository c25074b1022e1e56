//! `rbuild volume ...`

mod list;
mod prune;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::global::Global;
use crate::cli::inspect::{self, Kind};
use crate::cli::{CliError, output};
use crate::container::ContainerError;
use crate::container::volume::{NewVolume, VolumeError};
use crate::engine::volume;

pub use prune::prune;

#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    Create(CreateArgs),
    Inspect(InspectArgs),
    #[command(visible_alias = "list")]
    Ls(list::Args),
    Prune(prune::Args),
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
}

/// Manage volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: VolumeCommand,
}

/// Make a volume
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Without a name, it gets one that nobody else has
    #[arg(value_name = "NAME")]
    volume: Option<String>,
    #[arg(long, value_name = "NAME", hide = true, conflicts_with = "volume")]
    name: Option<String>,
    /// The kind of volume: local
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// type=, o= and device= of the local driver
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Note something about the volume
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::container::run::label_form)]
    label: Vec<String>,
}

/// Show all that is known of volumes, as JSON
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    #[arg(required = true, value_name = "VOLUME")]
    names: Vec<String>,
    /// `json` (on one line) or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Remove volumes
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    #[arg(required = true, value_name = "VOLUME")]
    names: Vec<String>,
    /// One that is not there is no error
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    match args.command {
        VolumeCommand::Create(args) => create(args, global),
        VolumeCommand::Inspect(args) => {
            inspect::inspect(&args.names, args.format.as_deref(), Some(Kind::Volume), false, global)
        }
        VolumeCommand::Ls(args) => list::run(&args, global),
        VolumeCommand::Prune(args) => prune::run(&args, global),
        VolumeCommand::Rm(args) => remove(&args, global),
    }
}

fn create(args: CreateArgs, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let pairs = |texts: &[String]| {
        let split =
            |text: &String| text.split_once('=').map_or((text.clone(), String::new()), |(a, b)| (a.into(), b.into()));
        texts.iter().map(split).collect()
    };
    let new = NewVolume {
        name: args.volume.or(args.name).unwrap_or_default(),
        driver: args.driver,
        labels: pairs(&args.label),
        options: pairs(&args.opt),
    };
    let record = volume::create(store.root(), new).map_err(volume_error)?;
    output::print(&format!("{}\n", record.name))?;
    Ok(ExitCode::SUCCESS)
}

fn remove(args: &RemoveArgs, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let mut errors = Vec::new();
    for name in &args.names {
        match volume::remove(store.root(), name) {
            Ok(()) => output::print(&format!("{name}\n"))?,
            Err(ContainerError::Volume(VolumeError::NotFound { .. })) if args.force => {
                output::print(&format!("{name}\n"))?;
            }
            Err(ContainerError::Volume(error)) => errors.push(volume_error(error)),
            Err(error) => return Err(error.into()),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}

fn volume_error(error: VolumeError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
