//! What every container gets: `/proc`, `/dev`, `/sys` and `/sys/fs/cgroup`, as docker makes them.

use std::path::Path;

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::root::Root;
use super::target::{MountPoints, PointKind};
use super::{Doing, Result, devices};
use crate::sandbox::channel::CgroupMounts;
use crate::sandbox::isolation::Isolation;
use crate::sandbox::mount_api;

const NO_SUID_DEV_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

pub(super) fn mount(
    root: &Root,
    points: &mut MountPoints<'_>,
    isolation: &Isolation,
    cgroups: &CgroupMounts,
) -> Result<()> {
    if !isolation.opens_devices() {
        mount_api::set_attributes(&root.mount, MountAttrFlags::MOUNT_ATTR_NODEV, false).doing("restrict", "/")?;
    }
    proc(points)?;
    devices::mount(root, points, isolation)?;
    sys(points, isolation)?;
    mount_cgroups(points, isolation, cgroups)
}

fn proc(points: &mut MountPoints<'_>) -> Result<()> {
    let proc = mount_api::create("proc", &[], NO_SUID_DEV_EXEC).doing("mount", "/proc")?;
    let point = points.open(Path::new("/proc"), PointKind::Directory)?;
    mount_api::attach(&proc, &point).doing("mount", "/proc")
}

/// A fresh sysfs, which shows the container's own network. That is not allowed to one that shares a network namespace
/// made outside of its user namespace; it gets the host's, and reads only.
fn sys(points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<()> {
    let mut attributes = NO_SUID_DEV_EXEC;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !isolation.privileged);
    let fresh = mount_api::create("sysfs", &[], attributes);
    let sys = match fresh {
        Err(failure) if failure.errno == Errno::PERM => {
            let tree = mount_api::clone_tree(CWD, c"/sys", true).doing("bind", "/sys")?;
            let locked = attributes | MountAttrFlags::MOUNT_ATTR_RDONLY;
            mount_api::set_attributes(&tree, locked, true).doing("make read-only", "/sys")?;
            tree
        }
        fresh => fresh.doing("mount", "/sys")?,
    };
    let point = points.open(Path::new("/sys"), PointKind::Directory)?;
    mount_api::attach(&sys, &point).doing("mount", "/sys")
}

/// The container's cgroups. Where they can't be mounted (a runtime around this one forbids it), it sees none.
fn mount_cgroups(points: &mut MountPoints<'_>, isolation: &Isolation, cgroups: &CgroupMounts) -> Result<()> {
    let mut attributes = NO_SUID_DEV_EXEC;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !isolation.privileged);
    let place = Path::new("/sys/fs/cgroup");
    let controllers = match cgroups {
        CgroupMounts::None => return Ok(()),
        CgroupMounts::Unified => {
            let Ok(cgroup) = mount_api::create("cgroup2", &[], attributes) else { return Ok(()) };
            let point = points.open(place, PointKind::Directory)?;
            return mount_api::attach(&cgroup, &point).doing("mount", place);
        }
        CgroupMounts::Legacy(controllers) => controllers,
    };
    let directory = mount_api::create("tmpfs", &[("mode", Some("0755"))], NO_SUID_DEV_EXEC).doing("mount", place)?;
    let point = points.open(place, PointKind::Directory)?;
    mount_api::attach(&directory, &point).doing("mount", place)?;
    for controller in controllers {
        let options: Vec<(&str, Option<&str>)> = match controller.strip_prefix("name=") {
            Some(name) => vec![("none", None), ("name", Some(name))],
            None => controller.split(',').map(|name| (name, None)).collect(),
        };
        let Ok(cgroup) = mount_api::create("cgroup", &options, attributes) else { continue };
        let name = controller.strip_prefix("name=").unwrap_or(controller);
        rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)).doing("create", name)?;
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let point = rustix::fs::openat(&directory, name, flags, Mode::empty()).doing("open", name)?;
        mount_api::attach(&cgroup, &point).doing("mount", name)?;
        for alias in name.split(',').filter(|alias| *alias != name) {
            rustix::fs::symlinkat(name, &directory, alias).doing("link", alias)?;
        }
    }
    mount_api::set_attributes(&directory, attributes, false).doing("make read-only", place)
}
