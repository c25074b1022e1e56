//! `rbuild buildx install` and `uninstall`: whether docker's CLI uses buildx for `docker builder`.

use std::process::ExitCode;

use crate::cli::CliError;
use crate::transport::registry::{Settings, set_alias};

/// Let `docker builder` mean `docker buildx`
#[derive(Debug, clap::Args)]
pub struct InstallArgs {}

/// Let `docker builder` mean what it means by itself
#[derive(Debug, clap::Args)]
pub struct UninstallArgs {}

pub fn install(_: &InstallArgs) -> Result<ExitCode, CliError> {
    set(Some("buildx"))
}

pub fn uninstall(_: &UninstallArgs) -> Result<ExitCode, CliError> {
    set(None)
}

fn set(command: Option<&str>) -> Result<ExitCode, CliError> {
    set_alias(&Settings::from_environment()?, "builder", command)?;
    Ok(ExitCode::SUCCESS)
}
