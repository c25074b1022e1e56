//! `rbuild version`

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::format::{self, Missing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::version::{API, BUILDX, DOCKER, LEAST_API, build, facts, name};

/// The output of `--version`: begins like docker's, for programs that parse it, and names rbuild.
pub fn line() -> String {
    format!("Docker version {DOCKER}, build {}\n", build())
}

/// The output of `buildx version`, in the same way.
pub fn buildx_line() -> String {
    format!("github.com/docker/buildx v{BUILDX} {}\n", build())
}

/// Show the version
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `json` or a Go template, with docker's fields
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

pub fn run(args: Args, _: &Global) -> Result<ExitCode, CliError> {
    let facts = facts();
    let text = match args.format.as_deref() {
        None | Some("") => lines(&facts),
        Some("json") => format!("{facts}\n"),
        Some(format) => format::of_document(format)?.render(&facts, Missing::Zero)? + "\n",
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn lines(facts: &Value) -> String {
    let text = |side: &str, field: &str| facts[side][field].as_str().unwrap_or_default().to_owned();
    let platform = |side: &str| format!("{}/{}", text(side, "Os"), text(side, "Arch"));
    let client = [
        ("Version", text("Client", "Version")),
        ("API version", text("Client", "ApiVersion")),
        ("OS/Arch", platform("Client")),
        ("Context", text("Client", "Context")),
    ];
    let server = [
        ("Version", text("Server", "Version")),
        ("API version", format!("{API} (minimum version {LEAST_API})")),
        ("OS/Arch", platform("Server")),
        ("Experimental", "false".to_owned()),
    ];
    let line = |(name, value): &(&str, String)| format!("{:<19}{value}\n", format!(" {name}:"));
    let client: String = client.iter().map(line).collect();
    let server: String = server.iter().map(line).map(|line| format!(" {line}")).collect();
    let name = name();
    format!("Client: {name}\n{client}\nServer: {name}\n Engine:\n{server}")
}
