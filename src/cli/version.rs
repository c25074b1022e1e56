//! `rbuild version`

use std::process::ExitCode;

use serde_json::json;

use super::commands::Global;
use super::format::{Missing, Template};
use super::{CliError, output};
use crate::image::host_platform;

/// The docker whose command line rbuild's was compared with, and the buildx: what scripts compare versions with.
const DOCKER: &str = "28.5.2";
pub const BUILDX: &str = "0.29.1";

/// What `--version` prints: it begins as docker's does, for those who read it, and says who speaks.
pub fn line() -> String {
    format!("Docker version {DOCKER}, build rbuild-{}\n", env!("CARGO_PKG_VERSION"))
}

/// What `buildx version` prints, in the same way.
pub fn buildx_line() -> String {
    format!("github.com/docker/buildx v{BUILDX} rbuild-{}\n", env!("CARGO_PKG_VERSION"))
}

/// Show the version
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `json` or a Go template, with docker's fields
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let platform = host_platform();
    let version = env!("CARGO_PKG_VERSION");
    let program = json!({"Version": version, "Os": platform.os, "Arch": platform.architecture});
    // There is no daemon: whoever asks for the server's version asks for the same program.
    let all = json!({"Client": program.clone(), "Server": program});
    let text = match args.format.as_deref() {
        None => format!("Client:\n Version:           {version}\n OS/Arch:           {platform}\n"),
        Some("json") => format!("{all}\n"),
        Some(format) => Template::parse(format)?.render(&all, Missing::Error)? + "\n",
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
