//! Which devices a container may open, whatever nodes it makes or finds: docker's list, beside what its mounts let it open.
//! Only version 1 of cgroups says so in files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Access, FileType};

use super::Cgroup;
use super::hierarchy::Hierarchies;
use crate::sandbox::isolation::{DeviceNode, Isolation};

/// What every container may do with devices.
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

/// The cgroup of all containers that may mount and use no other devices. It stays, so that a container costs one write more. The number
/// goes up with each change of the list.
const USUAL: &str = "usual-devices-1";

impl Cgroup {
    /// Adds a cgroup that lets the container open its devices only, where it has devices of its own, or may mount what
    /// lets nodes be opened. Others are kept from that by their mounts, and the kernel takes longer to move a process into
    /// a cgroup than for all else of a start. Where it can't be had (no such controller, or no right to use it) there is
    /// none.
    pub(in crate::sandbox) fn guarding_devices(cgroup: Option<Self>, isolation: &Isolation) -> Option<Self> {
        let may_open_more = isolation.capabilities.contains("SYS_ADMIN") || !isolation.devices.is_empty();
        let is_decided = isolation.opens_devices() || !may_open_more;
        let parent = isolation.limits.parent.as_deref();
        let hierarchies = if is_decided { None } else { Hierarchies::find().ok() };
        let Some(folder) = hierarchies.and_then(|found| found.devices(parent)) else { return cgroup };
        let mut guarded = cgroup.unwrap_or_default();
        if isolation.devices.is_empty() && parent.is_none() {
            guarded.shared = usual(&folder).ok();
        } else {
            super::remove_dead(&folder);
            let own = folder.join(guarded.name());
            let rules = isolation.devices.iter().flat_map(rules);
            if make(&own, rules.collect()).is_ok() {
                guarded.directories.push(own);
            }
        }
        Some(guarded).filter(|guarded| !guarded.is_empty())
    }
}

/// The one of all containers, which the first of them makes.
fn usual(parent: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let place = parent.join(USUAL);
    if !place.exists() {
        // It has its name when it has its rules: nobody gets in before.
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let new = parent.join(format!("{}-{number}-devices", std::process::id()));
        make(&new, Vec::new())?;
        if let Err(error) = std::fs::rename(&new, &place) {
            std::fs::remove_dir(&new)?;
            // Another was first.
            if !place.exists() {
                return Err(error);
            }
        }
    }
    // An ordinary user may see one of root's, and not be let in.
    rustix::fs::access(place.join("cgroup.procs"), Access::WRITE_OK)?;
    Ok(place)
}

fn make(folder: &Path, more: Vec<String>) -> io::Result<()> {
    std::fs::create_dir_all(folder.parent().unwrap_or(folder))?;
    std::fs::create_dir(folder)?;
    let rules = || -> io::Result<()> {
        std::fs::write(folder.join("devices.deny"), "a")?;
        let allow = folder.join("devices.allow");
        let all = USUAL_DEVICE_RULES.into_iter().chain(more.iter().map(String::as_str));
        all.into_iter().try_for_each(|rule| std::fs::write(&allow, rule))
    };
    // One with half of the rules is none.
    rules().inspect_err(|_| drop(std::fs::remove_dir(folder)))
}

/// A device, or all in a folder of them.
fn rules(device: &DeviceNode) -> Vec<String> {
    let Ok(stat) = rustix::fs::stat(&device.host) else { return Vec::new() };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Directory => {
            let entries = std::fs::read_dir(&device.host).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
            return below.flat_map(|entry| rules(&DeviceNode { host: entry.path(), path: PathBuf::new() })).collect();
        }
        _ => return Vec::new(),
    };
    vec![format!("{kind} {}:{} rwm", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))]
}
