//! `rbuild system service`

mod boot;
mod install;
mod units;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::api::{self, Access, Address, Certificates, Clients, Encryption, Lifetime, ListenError, Service};
use crate::base::io_error::AtPath;
use crate::cli::global::Global;
use crate::cli::{CliError, output};
use crate::transport::docker_engine::settings_folder;

/// Answer docker's API on a socket, for docker's own CLI, Compose and other tools
///
/// It keeps no state: containers run on without it, and it can stop and start at any time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when nobody has been connected for so many seconds; 0 for never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    time: u64,
    /// The group whose members may use the socket too: it is worth as much as its owner's account
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// unix://PATH, tcp://HOST:PORT, or fd:// for a socket of systemd's [default: /run/rbuild/docker.sock, or
    /// $XDG_RUNTIME_DIR/rbuild/docker.sock]. `install` and `uninstall` are for units of systemd; `boot` starts the
    /// containers whose restart policy brings them back with the machine, and `shutdown` ends all that run
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
}

/// For tcp:// and fd://, as dockerd has it
#[derive(Debug, clap::Args)]
struct TlsArgs {
    /// Speak TLS; `--tls=false` leaves an address of the network open to everybody who reaches it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls: Option<bool>,
    /// Hear only clients with a certificate of --tlscacert; it turns TLS on, also as `--tlsverify=false`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tlsverify: Option<bool>,
    /// The authorities that sign clients' certificates [default: ca.pem in $DOCKER_CERT_PATH, or in ~/.docker]
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// The service's certificate [default: cert.pem there]
    #[arg(long, value_name = "FILE")]
    tlscert: Option<PathBuf>,
    /// Its key [default: key.pem there]
    #[arg(long, value_name = "FILE")]
    tlskey: Option<PathBuf>,
}

impl TlsArgs {
    fn is_any(&self) -> bool {
        let files = [&self.tlscacert, &self.tlscert, &self.tlskey];
        self.tls.is_some() || self.tlsverify.is_some() || files.iter().any(|file| file.is_some())
    }

    /// The TLS settings; reads the files.
    fn encryption(&self) -> Result<Option<Encryption>, CliError> {
        let is_on = self.tls == Some(true) || self.tlsverify.is_some();
        if self.tls == Some(false) && is_on {
            return Err(CliError::new("conflicting options: --tls=false and --tlsverify"));
        }
        if !is_on {
            let is_named = self.tlscacert.is_some() || self.tlscert.is_some() || self.tlskey.is_some();
            return match is_named {
                true => Err(CliError::new("certificates are for TLS").hint("add --tlsverify, or --tls")),
                false => Ok(None),
            };
        }
        let clients = if self.tlsverify == Some(true) { Clients::Certified } else { Clients::All };
        let folder = std::env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let folder = folder.or_else(settings_folder).unwrap_or_default();
        let file = |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or_else(|| folder.join(usual));
        let files = Certificates {
            authorities: file(&self.tlscacert, "ca.pem"),
            certificate: file(&self.tlscert, "cert.pem"),
            key: file(&self.tlskey, "key.pem"),
        };
        Ok(Some(Encryption::new(&files, clients).map_err(of_listening)?))
    }
}

pub fn run(args: &Args, global: &Global) -> Result<ExitCode, CliError> {
    // An ordinary user is root of a user namespace here.
    let is_root = crate::container::sandbox::user_namespace::entered().is_none();
    match args.address.as_deref() {
        Some("install") => {
            args.takes_nothing("install", args.time > 0 || args.tls.is_any())?;
            install::install(&install::Place::usual(is_root)?, args.group.as_deref(), global)?;
        }
        Some("uninstall") => {
            args.takes_nothing("uninstall", args.time > 0 || args.tls.is_any() || args.group.is_some())?;
            install::uninstall(&install::Place::usual(is_root)?)?;
        }
        Some(word @ ("boot" | "shutdown")) => {
            args.takes_nothing(word, args.time > 0 || args.tls.is_any() || args.group.is_some())?;
            if word == "boot" { boot::boot(global)? } else { boot::shut_down(global)? }
        }
        address => serve(args, address, is_root, global)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn takes_nothing(&self, word: &str, has_more: bool) -> Result<(), CliError> {
        let text =
            || format!("`system service {word}` has nothing to do with the options of a service that is started");
        if has_more { Err(CliError::new(text())) } else { Ok(()) }
    }
}

fn serve(args: &Args, address: Option<&str>, is_root: bool, global: &Global) -> Result<(), CliError> {
    let address = match address {
        Some(text) => text.parse().map_err(of_listening)?,
        None => usual_address(is_root)?,
    };
    let access = Access {
        group: args.group.clone(),
        encryption: args.tls.encryption()?,
        is_open: args.tls.tls == Some(false) || args.tls.tlsverify == Some(false),
    };
    let verifies = access.encryption.is_some();
    let root = global.store_root()?;
    let service = Service::of(std::path::absolute(&root).at("find", &root)?);
    let lifetime = Lifetime(Some(args.time).filter(|time| *time > 0).map(Duration::from_secs));
    let ready = |addresses: &[String]| {
        for address in addresses {
            let tls = if verifies { " DOCKER_TLS_VERIFY=1" } else { "" };
            output::say(format_args!("listening; tools find it with\n  export DOCKER_HOST={address}{tls}"));
        }
    };
    api::serve(&service, (&address, &access), lifetime, ready).map_err(of_listening)
}

fn usual_address(is_root: bool) -> Result<Address, CliError> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    Address::usual(is_root, folder.as_deref()).ok_or_else(|| {
        CliError::new("there is nowhere to put the socket: XDG_RUNTIME_DIR is not set").hint("name one: unix://PATH")
    })
}

fn of_listening(error: ListenError) -> CliError {
    let hint = error.hint();
    CliError::from(error).hint_if(hint)
}
