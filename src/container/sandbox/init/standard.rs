//! What every container has: `/proc`, `/dev`, `/sys` and `/sys/fs/cgroup`, as in docker.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::dev_folder::{self, Dev};
use super::doing::{Doing, Result};
use super::fallback;
use super::ground::Role;
use super::kernel_files::{self, FileSystem, KernelFiles};
use super::root::Root;
use super::target::MountPoints;
use crate::container::sandbox::channel::{CgroupMounts, Launch};
use crate::container::sandbox::isolation::{Isolation, Namespace};
use crate::container::sandbox::mount_api;
use crate::container::sandbox::without::Without;

pub(super) const NO_SUID_DEV_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Handles of what is at the standard places.
pub(super) struct Standard {
    /// rbuild's own procfs, which it writes to.
    pub(super) proc: KernelFiles,
    pub(super) dev: Dev,
    /// The procfs that the user has mounted instead, if any: parts of it are masked.
    pub(super) shown_proc: Option<KernelFiles>,
    pub(super) sys: KernelFiles,
}

impl Standard {
    /// Replaces one of these by what was mounted over it.
    pub(super) fn give_way_to(&mut self, tree: OwnedFd, role: Role, isolation: &Isolation) -> Result<()> {
        match role {
            Role::Ordinary => {}
            Role::Proc => self.shown_proc = Some(KernelFiles::new(tree, FileSystem::Proc, "/proc")?),
            Role::Sys => self.sys = KernelFiles::new(tree, FileSystem::Sys, "/sys")?,
            Role::NewDev => self.dev.move_to(tree)?,
            Role::HostsDev => self.dev.give_way_to(tree, isolation)?,
        }
        Ok(())
    }
}

pub(super) fn mount(
    root: &Root,
    points: &mut MountPoints<'_>,
    launch: &Launch,
    proc_of_others: Option<OwnedFd>,
) -> Result<Standard> {
    let isolation = &launch.container.isolation;
    if !isolation.opens_devices() {
        mount_api::set_attributes(&root.mount, MountAttrFlags::MOUNT_ATTR_NODEV, false).doing("restrict", "/")?;
    }
    let proc = proc(points, isolation, proc_of_others)?;
    let dev = dev_folder::mount(root, points, isolation)?;
    let sys = sys(points, isolation)?;
    mount_cgroups(&sys, isolation, &launch.cgroups)?;
    Ok(Standard { proc, dev, shown_proc: None, sys })
}

/// A new procfs for the container's own processes. Root of a user namespace that shares the host's PID namespace may
/// not mount one; it gets the host's, with the mounts in it, as does a container whose surroundings mask parts of
/// `/proc`. A procfs for the processes of another container is created beforehand.
fn proc(points: &mut MountPoints<'_>, isolation: &Isolation, of_others: Option<OwnedFd>) -> Result<KernelFiles> {
    let fresh = of_others.map_or_else(|| mount_api::create("proc", &[], NO_SUID_DEV_EXEC), Ok);
    let proc = match fresh {
        Err(failure) if failure.errno == Errno::PERM => {
            if isolation.namespaces.pid != Namespace::Host {
                fallback::note(Without::OwnProc);
            }
            let tree = mount_api::clone_tree(CWD, c"/proc", true).doing("bind", "/proc")?;
            mount_api::set_attributes(&tree, NO_SUID_DEV_EXEC, true).doing("restrict", "/proc")?;
            tree
        }
        fresh => fresh.doing("mount", "/proc")?,
    };
    let point = points.open_own("proc")?;
    mount_api::attach(&proc, &point).doing("mount", "/proc")?;
    KernelFiles::new(proc, FileSystem::Proc, "/proc")
}

/// A new sysfs for the container's own network. It is not permitted with a network namespace that was created outside
/// of its user namespace; such a container gets the host's, read-only.
fn sys(points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<KernelFiles> {
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
    let point = points.open_own("sys")?;
    mount_api::attach(&sys, &point).doing("mount", "/sys")?;
    KernelFiles::new(sys, FileSystem::Sys, "/sys")
}

/// The container's cgroups. If they can't be mounted (a surrounding runtime forbids it), it sees none.
fn mount_cgroups(sys: &KernelFiles, isolation: &Isolation, cgroups: &CgroupMounts) -> Result<()> {
    let mut attributes = NO_SUID_DEV_EXEC;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !isolation.privileged);
    let place = Path::new("/sys/fs/cgroup");
    // Nothing of the image or the user is mounted yet; the host's `/sys` may have its own cgroups there.
    let point = || {
        let found = kernel_files::beneath(sys.handle(), Path::new("fs/cgroup"), OFlags::PATH, ResolveFlags::empty());
        found.doing("open the mount point", place)
    };
    let controllers = match cgroups {
        CgroupMounts::None => return Ok(()),
        CgroupMounts::Unified => {
            let Ok(cgroup) = mount_api::create("cgroup2", &[], attributes) else { return Ok(()) };
            return mount_api::attach(&cgroup, point()?).doing("mount", place);
        }
        CgroupMounts::Legacy(controllers) => controllers,
    };
    let directory = mount_api::create("tmpfs", &[("mode", Some("0755"))], NO_SUID_DEV_EXEC).doing("mount", place)?;
    mount_api::attach(&directory, point()?).doing("mount", place)?;
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
