//! Which devices a container may open, whatever nodes it creates or finds: docker's list, in addition to the
//! restrictions of its mounts.
//!
//! The rules are set in a cgroup above the container's. A container that may mount (`SYS_ADMIN`) can mount the
//! hierarchy, but sees its own cgroup as the root of it: there it can't allow itself more than the parent does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::FileType;

use super::device_rule::DeviceRule;
use super::hierarchy::{CgroupVersion, Hierarchies};
use super::settings::failed;
use super::{Cgroup, bpf, device_program, remove_dead};
use crate::container::sandbox::error::SandboxError;
use crate::container::sandbox::isolation::{DeviceNode, Isolation, Namespace};

/// The device accesses of every container.
pub const USUAL_DEVICE_RULES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The v1 cgroup above those of all containers without other devices. It is kept, so that a container needs fewer
/// writes. The number increases with each change of the list.
const USUAL: &str = "usual-devices-2";

/// The device rules, and how important they are.
pub(super) struct Guard {
    rules: Vec<DeviceRule>,
    /// Whether the rules were requested: then the container is not started without them.
    pub(super) is_required: bool,
    is_usual: bool,
}

impl Guard {
    /// `None` if the mounts alone keep a container from devices: moving a process to a cgroup takes the kernel longer
    /// than all the rest of a start. So this is only for containers with devices of their own, or which may mount
    /// filesystems on which nodes can be opened.
    pub(super) fn of(isolation: &Isolation) -> Result<Option<Self>, SandboxError> {
        let asked_for = &isolation.limits.device_rules;
        let has_devices = !isolation.devices.is_empty();
        if isolation.privileged || (asked_for.is_empty() && !has_devices && !may_mount(isolation)) {
            return Ok(None);
        }
        let texts: Vec<String> = match asked_for.is_empty() {
            true => USUAL_DEVICE_RULES.map(str::to_owned).to_vec(),
            false => asked_for.clone(),
        };
        let mut rules = Vec::new();
        for text in &texts {
            let reason = || format!("`{text}` is not a rule");
            let parsed = DeviceRule::parse(text);
            rules.append(&mut parsed.ok_or_else(|| SandboxError::Limit { limit: "device rule", reason: reason() })?);
        }
        if asked_for.is_empty() {
            rules.extend(isolation.devices.iter().flat_map(rules_of));
        }
        let is_usual = asked_for.is_empty() && !has_devices && isolation.limits.parent.is_none();
        Ok(Some(Self { rules: DeviceRule::merge(rules), is_required: !asked_for.is_empty(), is_usual }))
    }
}

/// Whether the container may mount cgroup hierarchies, with its own cgroup as the root.
pub(super) fn may_mount(isolation: &Isolation) -> bool {
    isolation.capabilities.contains("SYS_ADMIN") && !isolation.privileged && isolation.users.is_none()
}

impl Cgroup {
    /// Creates a cgroup with the device rules, and the container's own below it.
    pub(super) fn guard(&mut self, guard: &Guard, parent: Option<&str>) -> Result<(), SandboxError> {
        let hierarchies = Hierarchies::find()?;
        let guarded = match hierarchies.version() {
            CgroupVersion::V1 => self.guard_by_files(guard, &hierarchies, parent),
            CgroupVersion::V2 => self.guard_by_program(guard, &hierarchies, parent),
        };
        guarded.map_err(|(path, error)| failed("device rule", &path, &error))
    }

    fn guard_by_files(
        &mut self,
        guard: &Guard,
        hierarchies: &Hierarchies,
        parent: Option<&str>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let missing =
            || (PathBuf::from("devices"), io::Error::other("this machine has no `devices` cgroup controller"));
        let folder = hierarchies.devices(parent).ok_or_else(missing)?;
        let name = self.name();
        let above = if guard.is_usual {
            usual(&folder, guard).map_err(|error| (folder.join(USUAL), error))?
        } else {
            let own = folder.join(name_above(&name));
            remove_dead(&folder);
            make(&own, guard).map_err(|error| (own.clone(), error))?;
            self.above.push(own.clone());
            own
        };
        remove_dead(&above);
        let own = above.join(&name);
        super::make_folder(&own).map_err(|error| (own.clone(), error))?;
        self.directories.push(own);
        Ok(())
    }

    fn guard_by_program(
        &mut self,
        guard: &Guard,
        hierarchies: &Hierarchies,
        parent: Option<&str>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let name = self.name();
        let (above, relative) = hierarchies.unified_below(parent, &name_above(&name))?;
        above.parent().into_iter().for_each(remove_dead);
        self.above.push(above.clone());
        bpf::guard_devices(&above, &device_program::assemble(&guard.rules)).map_err(|error| (above.clone(), error))?;
        let own = above.join(&name);
        super::make_folder(&own).map_err(|error| (own.clone(), error))?;
        self.directories.push(own);
        self.parent = Some(relative);
        Ok(())
    }

    /// Gives a container that may mount hierarchies a cgroup in each one that is mounted here, so that none shows it
    /// the host's root cgroup: that one names a program for the kernel to execute when a cgroup becomes empty
    /// (`release_agent`). Failures are ignored.
    pub(super) fn stand_apart(&mut self, isolation: &Isolation) {
        if !may_mount(isolation) || isolation.namespaces.cgroup != Namespace::Own {
            return;
        }
        let Ok(hierarchies) = Hierarchies::find() else { return };
        let name = self.name();
        for root in hierarchies.roots() {
            if self.directories.iter().any(|directory| directory.starts_with(root)) {
                continue;
            }
            let folder = root.join(super::hierarchy::relative(isolation.limits.parent.as_deref()));
            remove_dead(&folder);
            let own = folder.join(&name);
            if std::fs::create_dir_all(&folder).is_ok() && super::make_folder(&own).is_ok() {
                self.directories.push(own.clone());
                if hierarchies.inherit_processors(&own).is_err() {
                    self.directories.pop();
                    let _ = std::fs::remove_dir(&own);
                }
            }
        }
    }
}

/// The name of the cgroup above a container's.
fn name_above(name: &Path) -> PathBuf {
    PathBuf::from(format!("{}-devices", name.display()))
}

/// The cgroup above those of all containers; created by the first one.
fn usual(parent: &Path, guard: &Guard) -> io::Result<PathBuf> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let place = parent.join(USUAL);
    if !place.exists() {
        // It gets its name after its rules: no process can enter earlier.
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let new = parent.join(format!("{}-{number}-usual", std::process::id()));
        make(&new, guard)?;
        if let Err(error) = std::fs::rename(&new, &place) {
            std::fs::remove_dir(&new)?;
            // Another process was first.
            if !place.exists() {
                return Err(error);
            }
        }
    }
    Ok(place)
}

fn make(folder: &Path, guard: &Guard) -> io::Result<()> {
    std::fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    std::fs::create_dir(folder)?;
    let rules = || -> io::Result<()> {
        std::fs::write(folder.join("devices.deny"), "a")?;
        let allow = folder.join("devices.allow");
        guard.rules.iter().try_for_each(|rule| std::fs::write(&allow, rule.to_string()))
    };
    // A cgroup with half of the rules is useless.
    rules().inspect_err(|_| drop(std::fs::remove_dir(folder)))
}

/// The rules for a device, or for all devices in a folder.
fn rules_of(device: &DeviceNode) -> Vec<DeviceRule> {
    let Ok(stat) = rustix::fs::stat(&device.host) else { return Vec::new() };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Directory => {
            let entries = std::fs::read_dir(&device.host).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
            return below
                .flat_map(|entry| rules_of(&DeviceNode { host: entry.path(), path: PathBuf::new() }))
                .collect();
        }
        _ => return Vec::new(),
    };
    let text = format!("{kind} {}:{} rwm", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    DeviceRule::parse(&text).unwrap_or_default()
}

/// How devices can be restricted by cgroups here, or why they can't.
pub fn device_guard() -> Result<&'static str, String> {
    let hierarchies = Hierarchies::find().map_err(|error| error.to_string())?;
    match hierarchies.version() {
        CgroupVersion::V1 => {
            let folder = hierarchies.devices(None).ok_or("there is no `devices` cgroup controller")?;
            let is_writable = |folder: &&Path| rustix::fs::access(*folder, rustix::fs::Access::WRITE_OK).is_ok();
            let existing = folder.ancestors().find(|folder| folder.exists());
            existing.filter(is_writable).map(|_| "a cgroup of version 1").ok_or_else(|| "not permitted".to_owned())
        }
        CgroupVersion::V2 if bpf::is_allowed() => Ok("a program of a cgroup of version 2"),
        CgroupVersion::V2 => Err("the kernel takes no program for it from this user".to_owned()),
    }
}
