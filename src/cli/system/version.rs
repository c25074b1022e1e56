//! `rbuild version`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::format::{Missing, Template};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::image::host_platform;

/// The docker whose command line rbuild's was compared with, and the buildx: what scripts compare versions with.
const DOCKER: &str = "28.5.2";
pub const BUILDX: &str = "0.29.1";
/// The versions of docker's API that go with it.
const API: &str = "1.51";
const LEAST_API: &str = "1.24";

/// What `--version` prints: it begins as docker's does, for those who read it, and says who speaks.
pub fn line() -> String {
    format!("Docker version {DOCKER}, build {}\n", build())
}

/// What `buildx version` prints, in the same way.
pub fn buildx_line() -> String {
    format!("github.com/docker/buildx v{BUILDX} {}\n", build())
}

/// The version where docker's is asked for: docker's as far as it is compared, and behind that, as semver has it, rbuild's.
pub fn of_docker() -> String {
    format!("{DOCKER}+rbuild{}", env!("CARGO_PKG_VERSION"))
}

/// What stands for docker's commit.
fn build() -> String {
    format!("rbuild-{}", env!("CARGO_PKG_VERSION"))
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
        Some(format) => Template::parse(format)?.render(&facts, Missing::Zero)? + "\n",
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// docker's `Client` and `Server`. There is no daemon: whoever asks for the server's version asks for the same program.
pub fn facts() -> Value {
    let platform = host_platform();
    let (os, architecture) = (&platform.os, &platform.architecture);
    let (version, build, name) = (of_docker(), build(), json!({"Name": name()}));
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let details = json!({
        "ApiVersion": API, "Arch": architecture, "BuildTime": "", "Experimental": "false", "GitCommit": build,
        "GoVersion": "", "KernelVersion": kernel, "MinAPIVersion": LEAST_API, "Os": os,
    });
    json!({
        "Client": {
            "Platform": name, "Version": version, "ApiVersion": API, "DefaultAPIVersion": API, "GitCommit": build,
            // It is no Go program, and says nothing of when it was built, so that builds can be compared.
            "GoVersion": "", "Os": os, "Arch": architecture, "BuildTime": "", "Context": "default",
        },
        "Server": {
            "Platform": name,
            "Components": [
                {"Name": "Engine", "Version": version, "Details": details},
                {"Name": "rbuild", "Version": env!("CARGO_PKG_VERSION"), "Details": {"GitCommit": build}},
            ],
            "Version": version, "ApiVersion": API, "MinAPIVersion": LEAST_API, "GitCommit": build, "GoVersion": "",
            "Os": os, "Arch": architecture, "KernelVersion": kernel, "Experimental": false, "BuildTime": "",
        },
    })
}

fn name() -> String {
    format!("rbuild {}", env!("CARGO_PKG_VERSION"))
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
