//! `rbuild system service install` and `uninstall`: systemd units that start the service on the first connection, and
//! containers with the machine.

use std::path::{Path, PathBuf};

use super::units::{self, CONTAINERS, Facts, SERVICE, SOCKET};
use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::cli::global::Global;
use crate::cli::{CliError, output};

/// The folder of the units, and the path of the socket.
pub struct Place {
    folder: PathBuf,
    /// In systemd's syntax.
    socket: &'static str,
    is_user: bool,
}

impl Place {
    /// Root's, or an ordinary user's own.
    pub fn usual(is_root: bool) -> Result<Self, CliError> {
        if is_root {
            let folder = PathBuf::from("/etc/systemd/system");
            return Ok(Self { folder, socket: "/run/rbuild/docker.sock", is_user: false });
        }
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
        let config = config.ok_or_else(|| CliError::new("there is nowhere to put the units: HOME is not set"))?;
        Ok(Self { folder: config.join("systemd/user"), socket: "%t/rbuild/docker.sock", is_user: true })
    }

    /// The default store of the units: systemd sets no variable except HOME.
    fn usual_store(&self) -> Option<PathBuf> {
        if !self.is_user {
            return Some(PathBuf::from("/var/lib/rbuild"));
        }
        Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share/rbuild"))
    }

    /// systemd's command for installed units.
    fn systemctl(&self) -> &'static str {
        if self.is_user { "systemctl --user" } else { "systemctl" }
    }
}

/// Writes the units, and prints how to enable them.
pub fn install(place: &Place, group: Option<&str>, global: &Global) -> Result<(), CliError> {
    let program = std::env::current_exe().at("find", "/proc/self/exe")?;
    let store = std::path::absolute(global.store_root()?).at("find", Path::new("."))?;
    let is_usual = place.usual_store().is_some_and(|usual| usual == store);
    let (socket, is_user) = (place.socket, place.is_user);
    let facts = Facts { socket, group, is_user, program: &program, store: Some(store.as_path()).filter(|_| !is_usual) };
    privacy::make_folders_for_caller(&place.folder)?;
    for (name, text) in units::all(&facts) {
        let path = place.folder.join(name);
        std::fs::write(&path, text).at("write", &path)?;
        privacy::set_mode(&path, 0o644)?;
        output::print(&format!("{}\n", path.display()))?;
    }
    let systemctl = place.systemctl();
    output::say(format_args!("to begin, and at each boot:\n  {systemctl} daemon-reload"));
    output::say(format_args!("  {systemctl} enable --now {SOCKET} {CONTAINERS}"));
    if place.is_user {
        output::say(format_args!(
            "to have your containers also while you are not logged in:\n  loginctl enable-linger"
        ));
    }
    Ok(())
}

/// Removes the units, and the links that enable them.
pub fn uninstall(place: &Place) -> Result<(), CliError> {
    let mut is_any = false;
    for name in [SOCKET, SERVICE, CONTAINERS] {
        let link = units::wanted_by(name, place.is_user).map(|folder| place.folder.join(folder).join(name));
        for path in link.into_iter().chain([place.folder.join(name)]) {
            if remove(&path)? {
                output::print(&format!("{}\n", path.display()))?;
                is_any = true;
            }
        }
    }
    if !is_any {
        output::say(format_args!("no units of rbuild are in {}", place.folder.display()));
        return Ok(());
    }
    let systemctl = place.systemctl();
    output::say(format_args!(
        "what runs goes on until it is ended:\n  {systemctl} stop {SOCKET} {SERVICE} {CONTAINERS}"
    ));
    output::say(format_args!("  {systemctl} daemon-reload"));
    Ok(())
}

/// Returns whether it existed.
fn remove(path: &Path) -> Result<bool, CliError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        removed => Ok(removed.at("remove", path).map(|()| true)?),
    }
}
