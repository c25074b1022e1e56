//! `rbuild rm`

use std::process::ExitCode;

use super::commands::Global;
use super::{CliError, output};
use crate::container::Containers;

/// Remove containers that have ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names, IDs or beginnings of IDs
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let containers = Containers::of(store.root());
    let mut errors = Vec::new();
    for word in &args.containers {
        match containers.find(word).and_then(|entry| containers.remove(&entry)) {
            Ok(()) => output::print(&format!("{word}\n"))?,
            Err(error) => errors.push(CliError::from(error)),
        }
    }
    CliError::all(errors).map_or(Ok(ExitCode::SUCCESS), Err)
}
