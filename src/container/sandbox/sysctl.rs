//! Sysctls that belong to a container's namespaces, and none that would change the host.

use std::collections::BTreeMap;

use super::error::Unsupported;
use super::isolation::{Isolation, Namespace, NetworkIsolation};

/// Of the IPC namespace (sysctl(8), ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Whether a container can have its own value of the sysctl.
pub fn is_namespaced_sysctl(name: &str) -> bool {
    is_of_network(name) || is_of_ipc(name)
}

fn is_of_network(name: &str) -> bool {
    name.starts_with("net.")
}

fn is_of_ipc(name: &str) -> bool {
    name.starts_with("fs.mqueue.") || IPC.contains(&name)
}

/// Refuses the host's sysctls.
pub(super) fn check(sysctls: &BTreeMap<String, String>, isolation: &Isolation) -> Result<(), Unsupported> {
    let host_network = matches!(isolation.network, NetworkIsolation::Host);
    let host_ipc = isolation.namespaces.ipc == Namespace::Host;
    for name in sysctls.keys() {
        let (is_network, is_ipc) = (is_of_network(name), is_of_ipc(name));
        if is_ipc && host_ipc {
            return Err(Unsupported {
                what: format!("`{name}` would change the host, whose IPC namespace the container uses"),
                hint: Some("leave out `--ipc host`, or set it on the host".to_owned()),
            });
        }
        if is_network && host_network {
            return Err(Unsupported {
                what: format!("`{name}` would change the host, whose network the container uses"),
                hint: Some("leave out `--network host`, or set it on the host".to_owned()),
            });
        }
        if !(is_network || is_ipc) || path(name).split('/').any(|part| part == "..") {
            return Err(Unsupported {
                what: format!("`{name}` is not a kernel parameter that belongs to the container"),
                hint: Some("net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* are".to_owned()),
            });
        }
    }
    Ok(())
}

/// The file in a procfs. Dots in a name become slashes, and slashes dots, as in sysctl(8).
pub(super) fn path(name: &str) -> String {
    let swapped = name.chars().map(|character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    format!("sys/{}", swapped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_own() {
        let own = Isolation::default();
        let mut hosts = Isolation { network: NetworkIsolation::Host, ..Isolation::default() };
        let is_taken = |name: &str, isolation: &Isolation| {
            check(&BTreeMap::from([(name.to_owned(), "1".to_owned())]), isolation).is_ok()
        };
        assert!(is_taken("net.core.somaxconn", &own) && !is_taken("net.core.somaxconn", &hosts));
        assert!(is_taken("kernel.shmmax", &hosts) && is_taken("fs.mqueue.msg_max", &hosts));
        hosts.namespaces.ipc = Namespace::Host;
        assert!(!is_taken("kernel.shmmax", &hosts) && !is_taken("fs.mqueue.msg_max", &hosts));
        for name in ["kernel.panic", "vm.swappiness", "net.//.kernel.panic"] {
            assert!(!is_taken(name, &own), "{name}");
        }
    }

    #[test]
    fn a_name_is_a_path() {
        assert_eq!(path("net.ipv4.conf.eth0/1.forwarding"), "sys/net/ipv4/conf/eth0.1/forwarding");
    }
}
