//! `rbuild run`

mod arguments;
mod devices;
mod image;
mod modes;
mod mounts;
mod network;
mod options;
mod ports;
#[cfg(test)]
mod table_tests;
mod typed_mounts;
mod values;

use std::process::ExitCode;

use super::CliError;
use super::commands::Global;
use crate::container::{self, ContainerError, Containers, Entry};
use crate::io_error::AtPath;

pub use arguments::ContainerArgs;

/// docker's exit code for a container that could not be run.
const NOT_RUN: u8 = 125;

/// Run a program in a new container
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[command(flatten)]
    container: ContainerArgs,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let (containers, entry) = make(&args.container, false, global)?;
    let ended = container::run(&containers, entry).map_err(container_error)?;
    if let Some(warning) = &ended.warning {
        eprintln!("rbuild: warning: {warning}");
    }
    if ended.outcome.out_of_memory {
        eprintln!("rbuild: the container reached its memory limit, and a process of it was killed");
    }
    Ok(ExitCode::from(ended.outcome.status.code()))
}

/// Makes the container.
pub(super) fn make(args: &ContainerArgs, detach: bool, global: &Global) -> Result<(Containers, Entry), CliError> {
    let not_run = |error: CliError| error.exit_code(NOT_RUN);
    let options = args.options(detach).map_err(not_run)?;
    let cidfile = args.program.cidfile.as_ref();
    if let Some(path) = cidfile.filter(|path| path.exists()) {
        let text = format!("the file `{}` of --cidfile is already there", path.display());
        return Err(not_run(CliError::new(text).hint("remove it, or name another")));
    }
    if options.host.network_mode == "host" && (args.network.publish_all || !args.network.publish.is_empty()) {
        eprintln!("rbuild: warning: published ports are discarded when using host network mode");
    }
    let store = global.open_store().map_err(not_run)?;
    let image = image::find_image(&store, args).map_err(not_run)?;
    let containers = Containers::of(store.root());
    let entry = container::create(&containers, &image, &options).map_err(container_error)?;
    if let Some(path) = cidfile {
        std::fs::write(path, &entry.record.id).at("write", path).map_err(|error| not_run(error.into()))?;
    }
    Ok((containers, entry))
}

fn container_error(error: ContainerError) -> CliError {
    let (code, hint) = (error.exit_code(), error.hint());
    let cli = CliError::from(error).exit_code(code);
    match hint {
        Some(hint) => cli.hint(hint),
        None => cli,
    }
}
