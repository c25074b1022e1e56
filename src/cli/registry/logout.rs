//! `rbuild logout`

use std::process::ExitCode;

use crate::cli::global::Global;
use crate::cli::image::pull::with_hint;
use crate::cli::{CliError, output};
use crate::transport::registry::{Settings, logout, registry_host};

/// Log out from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "SERVER", default_value = "docker.io", hide_default_value = true)]
    server: String,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let host = registry_host(&args.server);
    // Like docker, does not say whether there were any.
    logout(&Settings::from_environment()?, host).map_err(with_hint)?;
    output::print(&format!("Removing login credentials for {host}\n"))?;
    Ok(ExitCode::SUCCESS)
}
