//! What is available here to isolate containers, and the content of docker's `info`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::docker_info;
use crate::base::io_error::chain;
use crate::container::network;
use crate::container::runtime;
use crate::container::sandbox::user_namespace::{self, IdMapping};
use crate::container::sandbox::{self, CgroupVersion};
use crate::container::{ContainerError, Containers, Status, Trial, try_isolation};
use crate::engine::version;
use crate::store::Store;

/// By docker's names if docker has the field.
pub fn facts(store: &Store) -> Result<Value, ContainerError> {
    let containers = Containers::of(store.root()).list()?;
    let running = containers.iter().filter(|container| container.is_running).count();
    let paused = containers.iter().filter(|container| container.state.status == Status::Paused).count();
    let runtimes = runtime::installed().into_iter().map(|name| (name.to_owned(), json!({"path": name})));
    let uname = rustix::system::uname();
    let found = sandbox::controllers().ok();
    let more = docker_info::facts(store, found.as_ref());
    let (cgroup_version, controllers) = match found {
        Some(found) => (if found.version == CgroupVersion::V1 { "1" } else { "2" }, found.names),
        None => ("none", Vec::new()),
    };
    let facts = json!({
        "ServerVersion": version::of_docker(),
        "RbuildVersion": env!("CARGO_PKG_VERSION"),
        "DockerRootDir": store.root().display().to_string(),
        "Images": store.images()?.len(),
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - running,
        "Driver": "overlay2",
        "DefaultRuntime": runtime::OWN,
        "Runtimes": runtimes.collect::<Map<_, _>>(),
        "Isolation": isolation(store),
        "IDMapping": id_mapping(),
        "Network": network_kind(),
        "CgroupVersion": cgroup_version,
        "CgroupControllers": controllers,
        "Limits": limits(),
        "SecurityOptions": security_options(),
        "Landlock": landlock(),
        "DeviceGuard": device_guard(),
        "UserNamespaces": user_namespaces(store.root()),
        "KernelVersion": uname.release().to_string_lossy(),
        "OSType": "linux",
        "Architecture": uname.machine().to_string_lossy(),
        "Name": uname.nodename().to_string_lossy(),
    });
    let facts = facts.as_object().cloned().unwrap_or_default().into_iter().chain(more).collect();
    Ok(docker_info::in_order(facts).into())
}

/// The isolation that a container gets, found out by setting one up as far as its program.
fn isolation(store: &Store) -> String {
    let with_help = |refused: sandbox::Unsupported| match refused.hint {
        Some(hint) => format!("{} ({hint})", refused.what),
        None => refused.what,
    };
    let kind = if user_namespace::entered().is_some() { "rootless: a user namespace, and" } else { "root:" };
    match try_isolation(store) {
        Ok(Trial::Full(without)) => {
            let all = format!("{kind} mount, pid, ipc, uts, cgroup and network namespaces");
            std::iter::once(all)
                .chain(without.iter().map(|one| one.explanation().to_owned()))
                .collect::<Vec<_>>()
                .join("; ")
        }
        Ok(Trial::Chroot(refused)) => {
            format!("chroot: programs have a root of their own, and no namespaces: {}", with_help(refused))
        }
        Ok(Trial::Emulated(refused)) => {
            format!("emulated: programs are run without any rights, which are played to them: {}", with_help(refused))
        }
        Ok(Trial::Nothing(refused)) => {
            format!("none: builds without RUN work, and no program can be run: {}", with_help(refused))
        }
        Err(error) => format!("none that works: {}", chain(&error)),
    }
}

fn id_mapping() -> String {
    match user_namespace::entered() {
        None => "none: users of containers are users of the host".to_owned(),
        Some(IdMapping::Full { users, groups }) => format!("{users} users and {groups} groups"),
        Some(IdMapping::Single { reason }) => {
            format!("one user only, so files can't be given to others, and USER must be root: {reason}")
        }
    }
}

fn network_kind() -> String {
    if let Some(reason) = network::FreshNamespace::forbidden() {
        return format!("the network of what rbuild runs in: {}", chain(&reason));
    }
    let ways = "bridges in a network namespace of the store's containers";
    match (user_namespace::entered(), network::pasta_refused()) {
        (None, _) => "bridges with address translation (nftables)".to_owned(),
        (Some(_), None) => format!("{ways}, which pasta connects"),
        (Some(_), Some(reason)) => {
            let hint = reason.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!(
                "the host's for a container of the default network that publishes nothing, {ways} without a way out \
                 for others: {reason}{hint}"
            )
        }
    }
}

/// Whether containers can have limits.
fn limits() -> String {
    sandbox::limits_refused().map_or_else(|| "can be set".to_owned(), |reason| format!("none: {reason}"))
}

fn landlock() -> String {
    match sandbox::landlock_version() {
        0 => "none: containers on the host's network reach its abstract sockets".to_owned(),
        version if !sandbox::can_scope_sockets() => {
            format!("version {version}, older than 6: containers on the host's network reach its abstract sockets")
        }
        version => format!("version {version}: containers on the host's network don't reach its abstract sockets"),
    }
}

/// What restricts a container's devices.
fn device_guard() -> String {
    match sandbox::device_guard() {
        Ok(how) => format!("mounts, and {how} for containers that may mount or have devices"),
        Err(reason) => format!("mounts alone: {reason}"),
    }
}

/// Whether `--userns=remap` works.
fn user_namespaces(store_root: &Path) -> String {
    match sandbox::can_remap(store_root) {
        Ok(ids) => {
            let count: u64 = ids.users.iter().map(|range| u64::from(range.count)).sum();
            let root = ids.host_user(0).unwrap_or_default();
            format!("{count} users with --userns=remap, of which root is {root} on the host")
        }
        Err(reason) => reason,
    }
}

fn security_options() -> Vec<&'static str> {
    let mut options = vec!["name=seccomp,profile=builtin"];
    if sandbox::is_apparmor_usable() {
        options.insert(0, "name=apparmor");
    }
    if user_namespace::entered().is_some() {
        options.push("name=rootless");
    }
    options
}
