//! From a container's record to what the sandbox starts.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::devices::{self, Devices};
use super::directory::{Containers, Entry};
use super::docker_files;
use super::error::ContainerError;
use super::host_config::{HostConfig, NetworkMode, Resources, SecurityRequest};
use super::mounts::{MountKind, MountPoint, ReadOnlyDepth};
use super::namespaces;
use super::record::Record;
use super::security::AppArmor;
use super::users;
use super::volumes;
use super::wiring::Wiring;
use crate::base::io_error::AtPath;
use crate::container::sandbox::{
    self, CapabilitySet, Container, Isolation, Limits, Mount, MountSource, NetworkIsolation, Process, Profile,
    ResourceLimit, Rootfs, Seccomp, Stack,
};
use crate::image::SCRATCH_PATH;
use crate::store::snapshot::{ProcessUser, View, process_user};

const USUAL_SHM_SIZE: u64 = 64 << 20;

/// Microseconds; the default of docker and the kernel.
const CPU_PERIOD: u64 = 100_000;

/// Prepares what the sandbox starts. `folder` is the container's own.
pub(super) fn prepare(record: &Record, folder: &Path, wiring: &Wiring) -> Result<Container, ContainerError> {
    let layers = record.layer_paths();
    let view = View::open(&layers)?;
    let files = Files { folder, layers: &layers, view: &view };
    let stack = files.stack(record.host_config.auto_remove)?;
    let devices = devices::of(&record.host_config)?;
    let is_replaced = |file: &&Mount| record.mounts.iter().any(|mount| mount.destination == file.target);
    let mut mounts: Vec<Mount> = wiring.files.iter().filter(|file| !is_replaced(file)).cloned().collect();
    mounts.extend(devices.mounts.iter().cloned());
    for mount in &record.mounts {
        mounts.push(files.mount(mount)?);
    }
    // A mount inside another one comes after it, whoever asked for them.
    mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(Container {
        rootfs: Rootfs::Overlay(stack),
        mounts,
        process: process(record, &files, wiring, &devices)?,
        isolation: isolation(record, wiring, &files, &devices)?,
    })
}

/// Gives a container a folder as its root, which contains everything that would be mounted; confinement that needs
/// namespaces is dropped. The process that stays beside it acts as its init.
pub(super) fn move_into(container: &mut Container, root: PathBuf) {
    container.rootfs = Rootfs::Directory(root);
    container.mounts.clear();
    container.process.init = false;
    container.isolation.apparmor = None;
}

/// Whether programs may use network sockets, where there is no empty network namespace.
pub(super) fn has_network(record: &Record) -> bool {
    record.host_config.network_mode != NetworkMode::None
}

/// The container's files on disk.
struct Files<'a> {
    folder: &'a Path,
    layers: &'a [PathBuf],
    view: &'a View,
}

impl Files<'_> {
    /// The image's layers, and on top of them the container's changes.
    fn stack(&self, volatile: bool) -> Result<Stack, ContainerError> {
        let (upper, work) = (self.folder.join("upper"), self.folder.join("work"));
        if !upper.exists() {
            // It may be half made by a process that was killed, so it gets its name only when it is complete.
            let new = self.folder.join("upper.new");
            crate::base::foreign::remove_tree(&new)?;
            std::fs::create_dir(&new).at("create", &new)?;
            // The upper folder is the merged root: its attributes have to match the lower ones.
            docker_files::upper_of_new(self.layers, &new)?;
            std::fs::rename(&new, &upper).at("rename", &new)?;
        }
        if volatile && work.exists() {
            // overlayfs refuses to mount again what was mounted `volatile` (it leaves a mark in the work folder).
            crate::base::foreign::remove_tree(&work)?;
        }
        std::fs::create_dir_all(&work).at("create", &work)?;
        Ok(Stack { lower: self.layers.to_vec(), upper: Some(upper), work: Some(work), volatile })
    }

    fn mount(&self, mount: &MountPoint) -> Result<Mount, ContainerError> {
        let (source, read_only) = match mount.kind {
            MountKind::Tmpfs => (MountSource::Tmpfs(mount.tmpfs.clone().unwrap_or_default()), false),
            MountKind::Volume => volumes::source(&self.containers(), mount, self.view)?,
            MountKind::Image => (image_source(mount)?, true),
            MountKind::Bind => {
                let path = volumes::bind_source(mount)?;
                let propagation = volumes::propagation(mount)?;
                (MountSource::Bind { path, recursive: !mount.non_recursive, propagation }, false)
            }
        };
        let shallow = mount.read_only_depth == ReadOnlyDepth::Shallow;
        Ok(Mount {
            target: mount.destination.clone(),
            source,
            read_only: read_only || !mount.writable,
            shallow,
            lasting: true,
        })
    }

    fn containers(&self) -> Containers {
        Containers::of(self.folder.parent().and_then(Path::parent).unwrap_or(self.folder))
    }

    /// The user with that name or number in the container's own files, which may have changed since it was created.
    fn user(&self, name: &str) -> Result<ProcessUser, ContainerError> {
        let mut layers = self.layers.to_vec();
        layers.push(self.folder.join("upper"));
        Ok(process_user(&View::open(&layers)?, name)?)
    }
}

/// The user of that name or number in a container's own files.
pub fn user_of(entry: &Entry, name: &str) -> Result<ProcessUser, ContainerError> {
    // One that never ran has no files of its own.
    let upper = Some(entry.upper()).filter(|upper| upper.exists());
    let view = View::of_container(&entry.record.layer_paths(), upper.as_deref())?;
    Ok(process_user(&view, name)?)
}

/// The image's own files, resolved within the image.
fn image_source(mount: &MountPoint) -> Result<MountSource, ContainerError> {
    let layers: Vec<PathBuf> = mount.image.layers.iter().map(|layer| layer.path().to_owned()).collect();
    let view = View::open(&layers)?;
    let path = view.resolve(Path::new(""), Path::new(&mount.image.subpath))?;
    if !path.as_os_str().is_empty() && view.lstat(&path)?.is_none() {
        return Err(ContainerError::NoSuchPathInImage { image: mount.name.clone(), path: mount.image.subpath.clone() });
    }
    let stack = Stack { lower: layers, volatile: true, ..Stack::default() };
    Ok(MountSource::Stack { stack, path })
}

fn process(record: &Record, files: &Files<'_>, wiring: &Wiring, devices: &Devices) -> Result<Process, ContainerError> {
    let run = &record.config.run;
    let host = &record.host_config;
    let mut user = files.user(&run.user)?;
    for group in &host.group_add {
        add_group(&mut user, files.user(&format!("0:{group}"))?.gid);
    }
    devices.groups.iter().for_each(|group| add_group(&mut user, *group));
    let directory = if run.working_dir.is_empty() { "/" } else { &run.working_dir };
    Ok(Process {
        arguments: std::iter::once(&record.path).chain(&record.args).map(OsString::from).collect(),
        environment: environment(record, (&wiring.environment, &devices.environment), &user.home),
        directory: Path::new("/").join(directory),
        create_directory: true,
        user: sandbox::User { uid: user.uid, gid: user.gid, groups: user.groups },
        terminal: record.config.tty,
        limits: resource_limits(host),
        oom_score_adjust: Some(host.oom_score_adj).filter(|adjustment| *adjustment != 0),
        init: host.init.unwrap_or(false),
    })
}

/// Never adds a group twice.
pub(super) fn add_group(user: &mut ProcessUser, group: u32) {
    if !user.groups.contains(&group) {
        user.groups.push(group);
    }
}

pub(super) fn resource_limits(host: &HostConfig) -> Vec<ResourceLimit> {
    host.resources.ulimits.iter().map(limit).collect()
}

fn limit(limit: &super::host_config::Ulimit) -> ResourceLimit {
    let bound = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    ResourceLimit { name: limit.name.clone(), soft: bound(limit.soft), hard: bound(limit.hard) }
}

/// docker's own variables and those of links, replaced in place by the container's; then those of devices. Of several
/// with one name the last wins, a name without a value removes docker's own, and HOME is appended unless it is set.
pub(super) fn environment(record: &Record, (links, devices): (&[String], &[String]), home: &str) -> Vec<OsString> {
    let mut own = vec![format!("PATH={SCRATCH_PATH}"), format!("HOSTNAME={}", record.config.hostname)];
    if record.config.tty {
        own.push("TERM=xterm".to_owned());
    }
    let mut all: Vec<Option<String>> = own.iter().chain(links).cloned().map(Some).collect();
    let places: HashMap<String, usize> =
        own.iter().chain(links).enumerate().map(|(at, entry)| (name_of(entry).to_owned(), at)).collect();
    for entry in &record.config.run.env {
        let value = Some(entry.clone()).filter(|entry| entry.contains('='));
        match places.get(name_of(entry)) {
            Some(at) => all[*at] = value,
            None => all.extend(value.map(Some)),
        }
    }
    let mut all: Vec<String> = all.into_iter().flatten().chain(devices.iter().cloned()).collect();
    let last: HashMap<String, usize> =
        all.iter().enumerate().map(|(at, entry)| (name_of(entry).to_owned(), at)).collect();
    let mut at = 0..;
    all.retain(|entry| at.next() == last.get(name_of(entry)).copied() && entry != "HOME=");
    if all.iter().all(|entry| name_of(entry) != "HOME") {
        all.push(format!("HOME={home}"));
    }
    all.into_iter().map(OsString::from).collect()
}

fn name_of(entry: &str) -> &str {
    entry.split('=').next().unwrap_or_default()
}

fn isolation(
    record: &Record,
    wiring: &Wiring,
    files: &Files<'_>,
    devices: &Devices,
) -> Result<Isolation, ContainerError> {
    let host = &record.host_config;
    let security = security(host)?;
    let domainname = &record.config.domainname;
    Ok(Isolation {
        hostname: Some(record.config.hostname.clone()),
        domainname: Some(domainname.clone()).filter(|name| !name.is_empty()),
        network: wiring.isolation.clone(),
        users: wiring.users.clone().map_or_else(|| users::alone(record), |users| Ok(Some(users)))?,
        capabilities: capabilities(host)?,
        seccomp: security.seccomp,
        no_new_privileges: security.no_new_privileges,
        privileged: host.privileged,
        read_only_root: host.readonly_rootfs,
        shm_size: if host.shm_size == 0 { USUAL_SHM_SIZE } else { host.shm_size },
        sysctls: host.sysctls.clone(),
        usual_sysctls: usual_sysctls(host, wiring),
        namespaces: namespaces::of(host, &files.containers())?,
        system_paths_shown: host.masked_paths.as_ref().is_some_and(Vec::is_empty),
        apparmor: security.apparmor.of_container(host.privileged)?,
        reaches_sockets: security.reaches_sockets,
        devices: devices.nodes.clone(),
        limits: all_limits(host)?,
        // A background container needs one for `stats` and `pause`; one in the foreground should start at once.
        own_cgroup: !record.config.attach_stdout,
    })
}

/// docker's default sysctls in a network namespace that belongs to the container alone: low ports for everybody, and
/// `ping` without a capability. (A user namespace does not have the full range of group IDs.)
fn usual_sysctls(host: &HostConfig, wiring: &Wiring) -> BTreeMap<String, String> {
    const PORTS: &str = "net.ipv4.ip_unprivileged_port_start";
    const PING: &str = "net.ipv4.ping_group_range";
    let mut all = BTreeMap::new();
    let is_shared = matches!(wiring.isolation, NetworkIsolation::Host) || host.network_mode.container().is_some();
    let has_all_groups = wiring.users.is_none() && sandbox::user_namespace::entered().is_none();
    for (name, value, is_possible) in [(PORTS, "0", true), (PING, "0 2147483647", has_all_groups)] {
        // The kernel may not have it.
        if !is_shared && is_possible && Path::new("/proc/sys").join(name.replace('.', "/")).exists() {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    all
}

pub(super) fn capabilities(host: &HostConfig) -> Result<CapabilitySet, ContainerError> {
    if host.privileged {
        return Ok(CapabilitySet::ALL);
    }
    Ok(CapabilitySet::adjusted(&host.cap_add, &host.cap_drop)?)
}

#[derive(Debug, Default)]
pub(super) struct Security {
    pub(super) seccomp: Seccomp,
    pub(super) no_new_privileges: bool,
    pub(super) apparmor: AppArmor,
    /// Whether the container reaches abstract sockets if it is on the host's network.
    pub(super) reaches_sockets: bool,
}

/// The effect of the security options. They were checked when the container was created.
pub(super) fn security(host: &HostConfig) -> Result<Security, ContainerError> {
    let mut security = Security::default();
    for option in &host.security {
        match option.request() {
            SecurityRequest::NoNewPrivileges(value) => security.no_new_privileges = value,
            SecurityRequest::AppArmorUnconfined => security.apparmor = AppArmor::Unconfined,
            SecurityRequest::AppArmorProfile(name) => security.apparmor = AppArmor::Profile(name.to_owned()),
            SecurityRequest::LandlockUnconfined => security.reaches_sockets = true,
            SecurityRequest::SeccompUnconfined => security.seccomp = Seccomp::Unconfined,
            SecurityRequest::SeccompUsual => security.seccomp = Seccomp::Default,
            SecurityRequest::SeccompProfile(json) => {
                security.seccomp = Seccomp::Profile(Arc::new(Profile::parse(json.as_bytes())?));
            }
            // The record has the masked paths.
            SecurityRequest::LabelsDisabled | SecurityRequest::SystemPathsUnconfined => {}
        }
    }
    Ok(security)
}

/// Converts docker's numbers, in which zero means unset, to limits.
pub(super) fn limits(resources: &Resources) -> Limits {
    let set = |number: u64| Some(number).filter(|number| *number != 0);
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let cpu_quota = match resources.nano_cpus {
        0 => u64::try_from(resources.cpu_quota).ok().and_then(set),
        nano => Some(nano / (1_000_000_000 / CPU_PERIOD)),
    };
    Limits {
        memory: set(resources.memory),
        memory_and_swap: match resources.memory_swap {
            0 => None,
            number => Some(u64::try_from(number).unwrap_or(u64::MAX)),
        },
        memory_reservation: set(resources.memory_reservation),
        cpu_quota,
        cpu_period: if resources.nano_cpus == 0 { set(resources.cpu_period) } else { Some(CPU_PERIOD) },
        cpu_shares: set(resources.cpu_shares),
        cpuset_cpus: text(&resources.cpuset_cpus),
        cpuset_mems: text(&resources.cpuset_mems),
        // docker takes 0 and -1 for unlimited.
        pids: resources.pids_limit.map(|limit| if limit <= 0 { u64::MAX } else { limit as u64 }),
        blkio_weight: Some(resources.blkio_weight).filter(|weight| *weight != 0),
        parent: text(&resources.cgroup_parent),
        memory_swappiness: resources.memory_swappiness.and_then(|number| u64::try_from(number).ok()),
        oom_kill_disabled: resources.oom_kill_disable.unwrap_or(false),
        cpu_realtime_period: set(resources.cpu_realtime_period),
        cpu_realtime_runtime: Some(resources.cpu_realtime_runtime).filter(|number| *number != 0),
        ..Limits::default()
    }
}

/// Includes the limits of devices, whose numbers are looked up.
pub(super) fn all_limits(host: &HostConfig) -> Result<Limits, ContainerError> {
    let mut limits = limits(&host.resources);
    devices::limit(host, &mut limits)?;
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_numbers() {
        let resources = Resources { nano_cpus: 1_500_000_000, memory_swap: -1, memory: 10, ..Resources::default() };
        let limits = limits(&resources);
        assert_eq!((limits.cpu_quota, limits.cpu_period), (Some(150_000), Some(100_000)));
        assert_eq!((limits.memory, limits.memory_and_swap, limits.pids), (Some(10), Some(u64::MAX), None));
        assert!(super::limits(&Resources::default()).is_empty());
    }

    #[test]
    fn security_options() {
        let of = |option: &str| HostConfig { security: vec![option.parse().unwrap()], ..HostConfig::default() };
        assert!(security(&of("no-new-privileges")).unwrap().no_new_privileges);
        assert!(!security(&of("no-new-privileges:false")).unwrap().no_new_privileges);
        assert!(matches!(security(&of("seccomp=unconfined")).unwrap().seccomp, Seccomp::Unconfined));
        assert!(security(&of("seccomp={")).is_err());
    }
}
