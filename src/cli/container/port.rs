//! `rbuild port`

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::container::Containers;

/// Show where a container's ports are published
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Only this one
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

pub fn run(args: Args, global: &Global) -> Result<ExitCode, CliError> {
    let store = global.open_store()?;
    let entry = Containers::of(store.root()).find(&args.container)?;
    let all = published(entry.state.network.get("Ports"));
    let Some(port) = &args.port else {
        let lines = all.iter().map(|(port, host)| format!("{port} -> {host}\n"));
        output::print(&lines.collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    let lines: String = all.iter().filter(|(port, _)| *port == wanted).map(|(_, host)| format!("{host}\n")).collect();
    if lines.is_empty() {
        return Err(CliError::new(format!("no public port '{wanted}' published for {}", args.container)));
    }
    output::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

/// Ports of the container and their addresses on the host, from docker's `Ports`.
pub fn published(ports: Option<&Value>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (port, bindings) in ports.and_then(Value::as_object).into_iter().flatten() {
        for binding in bindings.as_array().into_iter().flatten() {
            let text = |key: &str| binding[key].as_str().unwrap_or_default();
            let address = text("HostIp");
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            all.push((port.clone(), format!("{address}:{}", text("HostPort"))));
        }
    }
    all.sort_by_key(|(port, _)| port.split('/').next().and_then(|number| number.parse::<u16>().ok()));
    all
}

/// The ports in `ps`: `0.0.0.0:9999->8888/tcp, 80/tcp`.
pub fn summary(ports: Option<&Value>) -> String {
    let mut parts: Vec<String> = published(ports).into_iter().map(|(port, host)| format!("{host}->{port}")).collect();
    let unpublished = ports.and_then(Value::as_object).into_iter().flatten().filter(|(_, bindings)| bindings.is_null());
    parts.extend(unpublished.map(|(port, _)| port.clone()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_docker_shows_them() {
        let ports = json!({
            "53/udp": null,
            "8888/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9999"}, {"HostIp": "::", "HostPort": "9999"}],
            "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        });
        assert_eq!(
            summary(Some(&ports)),
            "127.0.0.1:8080->80/tcp, 0.0.0.0:9999->8888/tcp, [::]:9999->8888/tcp, 53/udp"
        );
        assert_eq!(summary(None), "");
    }
}
