//! The content of the systemd units (systemd.unit(5)).

use std::path::Path;

/// How many seconds the service stays without connections.
const IDLE: u64 = 60;

pub const SOCKET: &str = "rbuild.socket";
pub const SERVICE: &str = "rbuild.service";
pub const CONTAINERS: &str = "rbuild-containers.service";

/// The parameters of the units.
pub struct Facts<'a> {
    /// The socket, in systemd's syntax.
    pub socket: &'a str,
    pub group: Option<&'a str>,
    pub is_user: bool,
    pub program: &'a Path,
    /// If it is not the default one.
    pub store: Option<&'a Path>,
}

/// Names and contents.
pub fn all(facts: &Facts<'_>) -> [(&'static str, String); 3] {
    [(SOCKET, socket(facts)), (SERVICE, service(facts)), (CONTAINERS, containers(facts))]
}

/// The folders in which systemd links an enabled unit.
pub fn wanted_by(unit: &str, is_user: bool) -> Option<&'static str> {
    match unit {
        SOCKET => Some("sockets.target.wants"),
        CONTAINERS => Some(if is_user { "default.target.wants" } else { "multi-user.target.wants" }),
        _ => None,
    }
}

fn socket(facts: &Facts<'_>) -> String {
    let (mode, group) = match facts.group {
        Some(group) => ("0660", format!("SocketGroup={group}\n")),
        None => ("0600", String::new()),
    };
    format!(
        "[Unit]\nDescription=Docker's API, answered by rbuild\n\n\
         [Socket]\nListenStream={}\nSocketMode={mode}\n{group}DirectoryMode=0755\n\n\
         [Install]\nWantedBy=sockets.target\n",
        facts.socket
    )
}

/// Containers do not belong to the service: they continue when it ends. Those that it starts count as its tasks, so the
/// number of tasks is unlimited; however often it is killed, the next connection starts it.
fn service(facts: &Facts<'_>) -> String {
    format!(
        "[Unit]\nDescription=Docker's API, answered by rbuild\nRequires={SOCKET}\nAfter={SOCKET}\n\
         StartLimitIntervalSec=0\n\n\
         [Service]\nExecStart={} system service --time {IDLE} fd://\nKillMode=process\nDelegate=yes\n\
         TasksMax=infinity\n",
        command(facts)
    )
}

/// Starts with the machine, or with the user's first session. The monitors stay in its control group, and `shutdown`
/// stops them before systemd would.
fn containers(facts: &Facts<'_>) -> String {
    let (network, target) = match facts.is_user {
        true => ("", "default.target"),
        false => ("Wants=network-online.target\nAfter=network-online.target\n", "multi-user.target"),
    };
    let command = command(facts);
    format!(
        "[Unit]\nDescription=Containers of rbuild whose restart policy brings them back\n{network}\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={command} system service boot\n\
         ExecStop={command} system service shutdown\nTimeoutStartSec=infinity\nKillMode=process\nDelegate=yes\n\
         TasksMax=infinity\n\n\
         [Install]\nWantedBy={target}\n"
    )
}

fn command(facts: &Facts<'_>) -> String {
    let store = facts.store.map(|store| format!(" --root {}", word(store))).unwrap_or_default();
    format!("{}{store}", word(facts.program))
}

/// A path as a single word of a command line (systemd.service(5)).
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@,".contains(letter);
    if text.chars().all(is_plain) {
        return text;
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(group: Option<&'a str>, is_user: bool) -> Facts<'a> {
        let program = Path::new("/usr/bin/rbuild");
        Facts { socket: "/run/rbuild/docker.sock", group, is_user, program, store: None }
    }

    #[test]
    fn units_say_whose_the_socket_is() {
        let own = socket(&facts(None, false));
        assert!(own.contains("SocketMode=0600\n") && !own.contains("SocketGroup"), "{own}");
        let shared = socket(&facts(Some("docker"), false));
        assert!(shared.contains("SocketMode=0660\nSocketGroup=docker\n"), "{shared}");
        let service = service(&facts(None, false));
        assert!(service.contains("ExecStart=/usr/bin/rbuild system service --time 60 fd://\nKillMode=process\n"));
    }

    #[test]
    fn containers_come_back_with_whoever_has_them() {
        let of_root = containers(&facts(None, false));
        assert!(of_root.contains("After=network-online.target\n") && of_root.ends_with("WantedBy=multi-user.target\n"));
        let of_user = containers(&facts(None, true));
        assert!(!of_user.contains("network-online") && of_user.ends_with("WantedBy=default.target\n"), "{of_user}");
    }

    #[test]
    fn paths_are_words() {
        assert_eq!(word(Path::new("/usr/bin/rbuild")), "/usr/bin/rbuild");
        assert_eq!(word(Path::new("/a b/50%\"$x")), "\"/a b/50%%\\\"$$x\"");
        let elsewhere = Facts { store: Some(Path::new("/srv/my store")), ..facts(None, false) };
        assert!(
            containers(&elsewhere).contains("ExecStart=/usr/bin/rbuild --root \"/srv/my store\" system service boot\n")
        );
    }
}
