//! Restarts the program: with rights that it did without so far, or with a different folder for docker's settings.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::base::identity::{self, Identity};
use crate::base::io_error::AtPath as _;
use crate::base::privacy;
use crate::cli::{CliError, kaniko, output, plugin};

pub fn has_begun() -> bool {
    let names = [Identity::Anew.name(), plugin::ANEW, kaniko::ANEW];
    std::env::args_os().next().is_some_and(|name| names.iter().any(|anew| name == *anew))
}

/// Everything that this process holds is lost, as when it is killed: files, locks, unfinished transactions.
pub fn begin() -> ! {
    output::area::leave();
    let name = match () {
        () if plugin::is_called() => plugin::ANEW,
        () if kaniko::is_called() => kaniko::ANEW,
        () => Identity::Anew.name(),
    };
    // Output files have the permissions of the caller's umask, whichever process makes them.
    privacy::end();
    let exec = |program| Command::new(program).arg0(name).args(std::env::args_os().skip(1)).exec();
    let source = identity::program().map_or_else(|error| error, exec);
    output::say(format_args!("error: cannot restart as root of a user namespace: {source}"));
    std::process::exit(1);
}

/// Restarts with a different folder for docker's settings: everything that reads them, in this process and its
/// children, takes the folder from the environment.
pub fn begin_with_settings(folder: &Path) -> Result<(), CliError> {
    let folder = std::path::absolute(folder).at("find", folder)?;
    if std::env::var_os("DOCKER_CONFIG").is_some_and(|known| known == folder) {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut program = Command::new(identity::program().at("find", "rbuild itself")?);
    let program = program.arg0(name).args(arguments).env("DOCKER_CONFIG", folder).env_remove("REGISTRY_AUTH_FILE");
    privacy::end();
    let refused = program.exec();
    privacy::begin_again();
    Err(CliError::new(format!("cannot restart with another --config: {refused}")))
}
