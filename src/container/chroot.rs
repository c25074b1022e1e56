//! Containers without namespaces: whatever such a container can't have is refused at creation, and the remaining
//! settings are fixed then for its whole life.

use super::directory::Entry;
use super::error::ContainerError;
use super::host_config::{HostConfig, IpcMode, NetworkMode, SecurityOption, SecurityRequest};
use super::mounts::MountKind;
use super::options::ContainerOptions;
use super::record::{EndpointConfig, Record};
use crate::container::network::{BRIDGE, HOST, NONE};
use crate::container::sandbox::{
    self, AskedIsolation, CapabilitySet, IsolationChoice, Level, SandboxError, Unsupported, capabilities_in_chroot,
};

/// The networks that are allowed, because they don't ask for a network of the container's own.
const USUAL_NETWORKS: [&str; 3] = [BRIDGE, HOST, NONE];

/// Whether its root is a folder, and it has no namespaces.
pub fn lacks_namespaces(record: &Record) -> bool {
    level(record).is_some()
}

/// What it has in their place.
pub(super) fn level(record: &Record) -> Option<Level> {
    record.host_config.isolation.without_namespaces()
}

/// Decides how a new container is isolated (`--isolation`) and records it. Returns whether it has no namespaces.
pub(super) fn settle(options: &ContainerOptions, host: &mut HostConfig) -> Result<bool, ContainerError> {
    let choice = host.isolation.choice();
    let is_foreign = !host.runtime.is_empty();
    let level = match choice.level() {
        // Another runtime isolates in its own way. If no level is available, the start reports why.
        _ if is_foreign && choice == IsolationChoice::Auto => Level::Full,
        Err(_) if choice == IsolationChoice::Auto => Level::Full,
        level => level.map_err(SandboxError::from)?,
    };
    if level.has_namespaces() {
        return Ok(false);
    }
    check(options, host, level)?;
    host.isolation = AskedIsolation::of(level);
    if host.network_mode != NetworkMode::None {
        host.network_mode = NetworkMode::Host;
    }
    Ok(true)
}

/// Checks that such programs can be run here and now.
pub(super) fn check_place(level: Level) -> Result<(), ContainerError> {
    IsolationChoice::Only(level).level().map(drop).map_err(|refused| SandboxError::from(refused).into())
}

/// The changes of such a container are known only after it has ended.
pub fn check_ended(entry: &Entry) -> Result<(), ContainerError> {
    match lacks_namespaces(&entry.record) && entry.state.pid != 0 {
        true => Err(ContainerError::NotEnded { name: entry.record.plain_name().to_owned() }),
        false => Ok(()),
    }
}

fn check(options: &ContainerOptions, host: &HostConfig, level: Level) -> Result<(), ContainerError> {
    let joins = host.pid_mode.container().is_some() || host.ipc_mode.container().is_some();
    let has_network = host.network_mode.network().is_none_or(|network| !USUAL_NETWORKS.contains(&network))
        || options.networks.values().any(|endpoint| *endpoint != EndpointConfig::default())
        || options.networks.keys().any(|name| name != "default" && !USUAL_NETWORKS.contains(&name.as_str()));
    let asked = [
        (host.privileged, "all rights (--privileged)", None),
        (!host.runtime.is_empty(), "another runtime (--runtime)", None),
        (host.users.is_remap(), "users of its own (--userns)", None),
        (has_network, "a network of its own", Some("leave it out: programs are on the network that rbuild is on")),
        (!host.links.is_empty(), "links", Some("programs reach each other at 127.0.0.1")),
        (joins, "namespaces of another container", None),
        (host.ipc_mode == IpcMode::None, "an empty /dev/shm (--ipc none)", None),
        (options.hostname.is_some() || options.domainname.is_some(), "a name of its own (--hostname)", None),
        (host.readonly_rootfs, "a root filesystem that can't be written to (--read-only)", None),
        (has_devices(host), "devices", None),
        (!host.sysctls.is_empty(), "kernel parameters (--sysctl)", None),
        (!host.volumes_from.is_empty(), "volumes of another container (--volumes-from)", Some(COPY)),
    ];
    if let Some((_, what, hint)) = asked.into_iter().find(|(is_asked, ..)| *is_asked) {
        return Err(refused(level, what.to_owned(), hint));
    }
    if let Some(mount) = options.mounts.iter().find(|mount| mount.kind != MountKind::Tmpfs) {
        let what = match mount.kind {
            MountKind::Bind => "a folder of the machine's",
            MountKind::Image => "an image's files",
            MountKind::Volume | MountKind::Tmpfs => "a volume with a name",
        };
        return Err(refused(
            level,
            format!("{what} at `{}`: nothing can be mounted", mount.destination.display()),
            Some(COPY),
        ));
    }
    check_rights(host, level)
}

const COPY: &str = "copy files in and out: `rbuild create`, `rbuild cp`, `rbuild start -a`, `rbuild cp`";

fn has_devices(host: &HostConfig) -> bool {
    let resources = &host.resources;
    !resources.devices.is_empty() || !resources.device_requests.is_empty() || !resources.device_cgroup_rules.is_empty()
}

/// Checks what was asked for by name. Of docker's default capabilities, the container gets those that are available.
fn check_rights(host: &HostConfig, level: Level) -> Result<(), ContainerError> {
    let added = CapabilitySet::adjusted(&host.cap_add, &["ALL".to_owned()])?;
    let had = if level == Level::Emulated { CapabilitySet::default() } else { capabilities_in_chroot() };
    let missing = added.without_those_of(had).names();
    if !missing.is_empty() {
        return Err(refused(level, format!("the capabilities {}", missing.join(", ")), None));
    }
    use SecurityRequest::{AppArmorProfile, LandlockUnconfined, SystemPathsUnconfined};
    let takes_namespaces = |option: &&SecurityOption| {
        matches!(option.request(), AppArmorProfile(_) | LandlockUnconfined | SystemPathsUnconfined)
    };
    match host.security.iter().find(takes_namespaces) {
        Some(option) => Err(refused(level, format!("--security-opt {}", option.as_str()), None)),
        None => Ok(()),
    }
}

fn refused(level: Level, what: String, hint: Option<&str>) -> ContainerError {
    let namespaces = || sandbox::full_refused().and_then(|refused| refused.hint.clone());
    let hint = hint.map(str::to_owned).or_else(namespaces);
    let kind = if level == Level::Emulated { "emulated" } else { "isolated by chroot alone" };
    let what = format!("a container that is {kind} can't have {what}");
    SandboxError::from(Unsupported { what, hint }).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::mounts::MountPoint;

    fn host(change: impl FnOnce(&mut HostConfig)) -> HostConfig {
        let mut host = HostConfig { network_mode: NetworkMode::of(BRIDGE), ..HostConfig::default() };
        change(&mut host);
        host
    }

    #[test]
    fn what_takes_namespaces_is_refused_by_its_name() {
        let options = ContainerOptions::default();
        type Change = fn(&mut HostConfig);
        let cases: [(&str, Change); 8] = [
            ("--privileged", |host| host.privileged = true),
            ("network", |host| host.network_mode = NetworkMode::of("own")),
            ("network", |host| host.network_mode = NetworkMode::of("container:x")),
            ("--read-only", |host| host.readonly_rootfs = true),
            ("--sysctl", |host| drop(host.sysctls.insert("a".to_owned(), "1".to_owned()))),
            ("CAP_SYS_ADMIN", |host| host.cap_add = vec!["sys_admin".to_owned()]),
            ("CAP_MKNOD", |host| host.cap_add = vec!["ALL".to_owned()]),
            ("landlock", |host| host.security = vec!["landlock=unconfined".parse().unwrap()]),
        ];
        for (word, change) in cases {
            let error = check(&options, &host(change), Level::Chroot).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        check(&options, &host(|_| {}), Level::Chroot).unwrap();
    }

    #[test]
    fn only_what_is_in_memory_elsewhere_can_be_mounted() {
        let at = |kind| ContainerOptions {
            mounts: vec![MountPoint { kind, destination: "/m".into(), ..MountPoint::default() }],
            ..ContainerOptions::default()
        };
        check(&at(MountKind::Tmpfs), &host(|_| {}), Level::Chroot).unwrap();
        for kind in [MountKind::Bind, MountKind::Volume, MountKind::Image] {
            let error = check(&at(kind), &host(|_| {}), Level::Chroot).unwrap_err();
            assert!(error.to_string().contains("`/m`") && error.hint().unwrap().contains("cp"), "{error}");
        }
    }
}
