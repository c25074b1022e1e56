//! Kernel parameters that belong to a container's namespaces, and none that would change the host.

use std::collections::BTreeMap;

use super::error::Unsupported;

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

/// Refuses parameters that are the host's.
pub(super) fn check(sysctls: &BTreeMap<String, String>, host_network: bool) -> Result<(), Unsupported> {
    for name in sysctls.keys() {
        let is_network = name.starts_with("net.");
        if is_network && host_network {
            return Err(Unsupported {
                what: format!("`{name}` would change the host, whose network the container uses"),
                hint: Some("leave out `--network host`, or set it on the host".to_owned()),
            });
        }
        let is_own = is_network || name.starts_with("fs.mqueue.") || IPC.contains(&name.as_str());
        if !is_own || path(name).split('/').any(|part| part == "..") {
            return Err(Unsupported {
                what: format!("`{name}` is no kernel parameter that a container has for itself"),
                hint: Some("net.*, fs.mqueue.* and the kernel.msg*, kernel.sem and kernel.shm* ones are".to_owned()),
            });
        }
    }
    Ok(())
}

/// The file below `/proc/sys`. Dots in a name become slashes, and slashes dots, as sysctl(8) has it.
pub(super) fn path(name: &str) -> String {
    let swapped = name.chars().map(|character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    format!("proc/sys/{}", swapped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_own() {
        let one = |name: &str| BTreeMap::from([(name.to_owned(), "1".to_owned())]);
        assert!(check(&one("net.core.somaxconn"), false).is_ok());
        assert!(check(&one("net.core.somaxconn"), true).is_err());
        assert!(check(&one("kernel.shmmax"), true).is_ok());
        assert!(check(&one("fs.mqueue.msg_max"), true).is_ok());
        assert!(check(&one("kernel.panic"), false).is_err());
        assert!(check(&one("vm.swappiness"), false).is_err());
        assert!(check(&one("net.//.kernel.panic"), false).is_err());
    }

    #[test]
    fn a_name_is_a_path() {
        assert_eq!(path("net.ipv4.conf.eth0/1.forwarding"), "proc/sys/net/ipv4/conf/eth0.1/forwarding");
    }
}
