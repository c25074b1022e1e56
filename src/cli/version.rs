//! `rbuild version`

use std::process::ExitCode;

use serde_json::json;

use super::commands::Global;
use super::format::{Missing, Template};
use super::{CliError, output};
use crate::image::host_platform;

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
