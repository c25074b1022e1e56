//! `rbuild system service install`: units for systemd, that start the service when somebody connects.

use std::path::{Path, PathBuf};

use crate::base::io_error::AtPath;
use crate::base::privacy;
use crate::cli::{CliError, output};

/// Seconds that the service stays when nobody is connected.
const IDLE: u64 = 60;

/// Where the units go, and where the socket is to be.
pub struct Place {
    pub folder: PathBuf,
    /// In systemd's words.
    pub socket: &'static str,
    pub group: Option<String>,
    pub is_user: bool,
}

impl Place {
    /// Root's, or an ordinary user's own.
    pub fn usual(is_root: bool, group: Option<String>) -> Result<Self, CliError> {
        if is_root {
            let folder = PathBuf::from("/etc/systemd/system");
            return Ok(Self { folder, socket: "/run/rbuild/docker.sock", group, is_user: false });
        }
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
        let config = config.ok_or_else(|| CliError::new("there is no place for units: HOME is not set"))?;
        Ok(Self { folder: config.join("systemd/user"), socket: "%t/rbuild/docker.sock", group, is_user: true })
    }
}

/// Writes the units, and says what to do with them.
pub fn install(place: &Place, program: &Path) -> Result<(), CliError> {
    privacy::make_folders_for_caller(&place.folder)?;
    for (name, text) in [("rbuild.socket", socket(place)), ("rbuild.service", service(program))] {
        let path = place.folder.join(name);
        std::fs::write(&path, text).at("write", &path)?;
        privacy::set_mode(&path, 0o644)?;
        output::print(&format!("{}\n", path.display()))?;
    }
    let user = if place.is_user { " --user" } else { "" };
    output::say(format_args!("to begin, and at each boot:\n  systemctl{user} daemon-reload"));
    output::say(format_args!("  systemctl{user} enable --now rbuild.socket"));
    Ok(())
}

fn socket(place: &Place) -> String {
    let (mode, group) = match &place.group {
        Some(group) => ("0660", format!("SocketGroup={group}\n")),
        None => ("0600", String::new()),
    };
    format!(
        "[Unit]\nDescription=Docker's API, answered by rbuild\n\n\
         [Socket]\nListenStream={}\nSocketMode={mode}\n{group}DirectoryMode=0755\n\n\
         [Install]\nWantedBy=sockets.target\n",
        place.socket
    )
}

/// Containers are no part of the service: they go on when it ends.
fn service(program: &Path) -> String {
    format!(
        "[Unit]\nDescription=Docker's API, answered by rbuild\nRequires=rbuild.socket\nAfter=rbuild.socket\n\n\
         [Service]\nExecStart={} system service --time {IDLE} fd://\nKillMode=process\nDelegate=yes\n",
        program.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_say_whose_the_socket_is() {
        let place = |group: Option<&str>| Place {
            folder: "/x".into(),
            socket: "/run/rbuild/docker.sock",
            group: group.map(str::to_owned),
            is_user: false,
        };
        let own = socket(&place(None));
        assert!(own.contains("SocketMode=0600\n") && !own.contains("SocketGroup"), "{own}");
        let shared = socket(&place(Some("docker")));
        assert!(shared.contains("SocketMode=0660\nSocketGroup=docker\n"), "{shared}");
        let service = service(Path::new("/usr/bin/rbuild"));
        assert!(service.contains("ExecStart=/usr/bin/rbuild system service --time 60 fd://\nKillMode=process\n"));
    }
}
