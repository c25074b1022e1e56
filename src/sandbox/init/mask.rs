//! Parts of `/proc` and `/sys` that a container must not see, or not write to: docker's lists.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::root::Root;
use super::target;
use super::{Doing, Result};
use crate::sandbox::isolation::Isolation;
use crate::sandbox::mount_api;

pub(in crate::sandbox) const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

pub(in crate::sandbox) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(super) fn apply(root: &Root, isolation: &Isolation) -> Result<()> {
    if isolation.privileged || isolation.system_paths_shown {
        return Ok(());
    }
    let null = target::open(&root.mount, Path::new("/dev/null")).doing("open", "/dev/null")?;
    for path in MASKED {
        if let Some(found) = find(root, path)? {
            mask(&found, &null).doing("hide", path)?;
        }
    }
    for path in READ_ONLY {
        if let Some(found) = find(root, path)? {
            make_read_only(&found).doing("make read-only", path)?;
        }
    }
    Ok(())
}

/// Not every kernel has all of them.
fn find(root: &Root, path: &str) -> Result<Option<OwnedFd>> {
    match target::open(&root.mount, Path::new(path)) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
        found => found.map(Some).doing("open", path),
    }
}

fn mask(found: &OwnedFd, null: &OwnedFd) -> std::result::Result<(), mount_api::MountFailure> {
    let failure = |errno| mount_api::MountFailure { errno, explanation: String::new() };
    let cover = if target::is_directory(found).map_err(failure)? {
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
        mount_api::create("tmpfs", &[("mode", Some("0755")), ("size", Some("0"))], attributes)?
    } else {
        mount_api::clone_tree(null, c"", false).map_err(failure)?
    };
    mount_api::attach(&cover, found).map_err(failure)
}

fn make_read_only(found: &OwnedFd) -> rustix::io::Result<()> {
    let tree = mount_api::clone_tree(found, c"", true)?;
    mount_api::set_attributes(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY, true)?;
    mount_api::attach(&tree, found)
}
