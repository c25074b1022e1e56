//! docker's options before the command: the engine and its settings.
//!
//! There is only one engine, this program. A different one is an error: building or running something in the wrong
//! place is worse than not doing it.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::cli::docker_config::DockerConfig;
use crate::transport::docker_engine::Address;

/// Levels of docker's log.
const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

/// docker's own engine on this machine.
const SOCKETS: &[&str] = &["/var/run/docker.sock", "/run/docker.sock", "/run/rbuild/docker.sock"];
/// The socket of `system service` in an ordinary user's folder.
const OWN_SOCKET: &str = "rbuild/docker.sock";

/// Where to find what was set up for docker
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Docker's options")]
pub struct Engine {
    /// The folder with docker's config.json [default: $DOCKER_CONFIG, or ~/.docker]
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// The context: only `default`, which is this machine
    #[arg(short, long, value_name = "NAME")]
    context: Option<String>,
    /// Accepted for docker's sake; rbuild writes no log
    #[arg(short = 'D', long)]
    debug: bool,
    /// The engine's address: this machine's docker socket means rbuild, and other engines are refused
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// Accepted for docker's sake; rbuild writes no log
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// For a remote engine, which rbuild does not use
    #[arg(long)]
    tls: bool,
    #[arg(long, value_name = "FILE", hide = true)]
    tlscacert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    tlscert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    tlskey: Option<PathBuf>,
    /// For a remote engine, which rbuild does not use
    #[arg(long)]
    tlsverify: bool,
    /// Print the version
    #[arg(short, short_alias = 'V', long)]
    version: bool,
}

impl Engine {
    /// Refuses options that contradict each other or are invalid.
    pub fn check(&self) -> Result<(), CliError> {
        if let Some(level) = self.log_level.as_deref().filter(|level| !LEVELS.contains(level)) {
            return Err(CliError::new(format!("unable to parse logging level: {level}"))
                .hint(format!("there are {}", LEVELS.join(", "))));
        }
        if self.host.len() > 1 {
            return Err(CliError::new("specify only one -H, --host").exit_code(125));
        }
        if !self.host.is_empty() && self.context.is_some() {
            return Err(CliError::new("conflicting options: cannot specify both --host and --context"));
        }
        Ok(())
    }

    /// The address of the engine for which docker's build plugin works.
    pub fn address(&self) -> Result<Address, CliError> {
        Ok(Address::meant(self.host.first().map(String::as_str), self.context.as_deref())?)
    }

    /// Refuses other engines. Options override the environment, and a host overrides a context.
    pub fn is_this_one(&self) -> Result<(), CliError> {
        if let Some(host) = self.host.first() {
            return check_host("--host", host);
        }
        if let Some(context) = &self.context {
            return check_context("--context", context);
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(host) = variable("DOCKER_HOST") {
            return check_host("DOCKER_HOST", &host);
        }
        if let Some(context) = variable("DOCKER_CONTEXT") {
            return check_context("DOCKER_CONTEXT", &context);
        }
        check_context("currentContext of docker's config.json", &DockerConfig::read_in_silence().current_context)
    }
}

fn check_context(from: &str, context: &str) -> Result<(), CliError> {
    if context.is_empty() || context == "default" {
        return Ok(());
    }
    Err(CliError::new(format!(
        "{from}: the context `{context}` means another engine, and rbuild works on this machine"
    ))
    .hint("leave it out, or name the context `default` with -c or DOCKER_CONTEXT"))
}

fn check_host(from: &str, host: &str) -> Result<(), CliError> {
    if host.is_empty() || host.strip_prefix("unix://").is_some_and(is_own_socket) {
        return Ok(());
    }
    Err(CliError::new(format!("{from}: `{host}` means another engine, and rbuild works on this machine"))
        .hint(format!("leave {from} out, or speak to that engine with docker's own program")))
}

/// Whether the socket is that of root's engine or of the user's own.
fn is_own_socket(path: &str) -> bool {
    let folder = std::env::var("XDG_RUNTIME_DIR").ok().filter(|folder| !folder.is_empty());
    let of_user = |folder: String| [format!("{folder}/docker.sock"), format!("{folder}/{OWN_SOCKET}")];
    SOCKETS.contains(&path) || folder.is_some_and(|folder| of_user(folder).iter().any(|own| own == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_engine_is_meant() {
        for own in ["", "unix:///var/run/docker.sock", "unix:///run/docker.sock", "unix:///run/rbuild/docker.sock"] {
            assert!(check_host("-H", own).is_ok(), "{own}");
        }
        for other in ["tcp://10.0.0.1:2375", "ssh://user@host", "unix:///tmp/other.sock", "fd://", "10.0.0.1"] {
            assert!(check_host("-H", other).is_err(), "{other}");
        }
        assert!(check_context("-c", "default").is_ok() && check_context("-c", "desktop-linux").is_err());
    }

    #[test]
    fn a_host_and_a_context_are_one_too_many() {
        let host = vec!["unix:///var/run/docker.sock".to_owned()];
        let both = Engine { host: host.clone(), context: Some("default".to_owned()), ..Engine::default() };
        assert!(both.check().is_err());
        let twice = Engine { host: [host.clone(), host].concat(), ..Engine::default() };
        assert!(twice.check().is_err());
        let level = |text: &str| Engine { log_level: Some(text.to_owned()), ..Engine::default() };
        assert!(level("debug").check().is_ok() && level("loud").check().is_err());
    }
}
