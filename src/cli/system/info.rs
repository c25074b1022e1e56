//! `rbuild info`: what this machine offers to isolate containers.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::format::{self, Missing};
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::engine::system::info;

/// Show the store, isolation, network and limits on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `json` or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let facts = info::facts(&global.open_store()?)?;
    let text = match args.format.as_deref() {
        None | Some("") => lines(&facts),
        Some("json") => format!("{facts}\n"),
        Some(template) => format!("{}\n", format::of_document(template)?.render(&facts, Missing::Zero)?),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn lines(facts: &Value) -> String {
    let named = [
        ("Version", "RbuildVersion"),
        ("Store", "DockerRootDir"),
        ("Images", "Images"),
        ("Containers", "Containers"),
        (" Running", "ContainersRunning"),
        (" Stopped", "ContainersStopped"),
        ("Storage Driver", "Driver"),
        ("Runtimes", "Runtimes"),
        ("Default Runtime", "DefaultRuntime"),
        ("Isolation", "Isolation"),
        ("ID Mapping", "IDMapping"),
        ("Network", "Network"),
        ("Cgroup Version", "CgroupVersion"),
        ("Cgroup Controllers", "CgroupControllers"),
        ("Limits", "Limits"),
        ("Security Options", "SecurityOptions"),
        ("Landlock", "Landlock"),
        ("Device Guard", "DeviceGuard"),
        ("User Namespaces", "UserNamespaces"),
        ("Kernel Version", "KernelVersion"),
        ("Architecture", "Architecture"),
        ("Name", "Name"),
    ];
    named.iter().map(|(name, key)| format!("{name}: {}\n", plain(&facts[*key]))).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
