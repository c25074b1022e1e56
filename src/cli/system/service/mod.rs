//! `rbuild system service`

mod install;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::api::{self, Address, Lifetime, ListenError, Service};
use crate::base::io_error::AtPath;
use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// Instead of an address.
const INSTALL: &str = "install";

/// Answer docker's API on a socket, for docker's own CLI, Compose and other tools
///
/// It keeps nothing of its own: containers go on without it, and it can be ended and started at any time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when nobody has been connected for so many seconds; 0 for never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    time: u64,
    /// The group whose members may use the socket too: it is worth as much as its owner's account
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,
    /// `install` for units of systemd; unix://PATH, or fd:// for systemd's [default: /run/rbuild/docker.sock, or $XDG_RUNTIME_DIR/rbuild/docker.sock]
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
}

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    // An ordinary user is root of a user namespace here.
    let is_root = crate::container::sandbox::user_namespace::entered().is_none();
    if args.address.as_deref() == Some(INSTALL) {
        let program = std::env::current_exe().at("find", "/proc/self/exe")?;
        install::install(&install::Place::usual(is_root, args.group.clone())?, &program)?;
        return Ok(ExitCode::SUCCESS);
    }
    let address = match &args.address {
        Some(text) => text.parse().map_err(of_listening)?,
        None => usual_address(is_root)?,
    };
    let root = global.store_root()?;
    let service = Service::of(std::path::absolute(&root).at("find", &root)?);
    let lifetime = Lifetime(Some(args.time).filter(|time| *time > 0).map(Duration::from_secs));
    let ready = || {
        if let Address::Path(path) = &address {
            output::say(format_args!("listening; tools find it with\n  export DOCKER_HOST=unix://{}", path.display()));
        }
    };
    api::serve(&service, (&address, args.group.as_deref()), lifetime, ready).map_err(of_listening)?;
    Ok(ExitCode::SUCCESS)
}

fn usual_address(is_root: bool) -> Result<Address, CliError> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    Address::usual(is_root, folder.as_deref()).ok_or_else(|| {
        CliError::new("there is no place for the socket: XDG_RUNTIME_DIR is not set").hint("name one: unix://PATH")
    })
}

fn of_listening(error: ListenError) -> CliError {
    let hint = match &error {
        ListenError::Taken { .. } => Some("end that service first, or name another address"),
        _ => None,
    };
    CliError::from(error).hint_if(hint)
}
