//! `/dev`: a small tmpfs with the few devices that every program may use.
//!
//! It is mounted without the right to open device nodes; those that are allowed are mounted one by one. So a program
//! that makes a node of the host's disk (CAP_MKNOD is among docker's defaults) can't open it, with no cgroup needed.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::root::Root;
use super::target::{MountPoints, PointKind};
use super::{Doing, Result, message};
use crate::sandbox::isolation::Isolation;
use crate::sandbox::mount_api;

/// Name, major and minor number (the kernel's admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

const NO_SUID_DEV_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

pub(super) fn mount(root: &Root, points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<()> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, !isolation.privileged);
    let options = [("mode", Some("0755")), ("size", Some("65536k"))];
    let dev = mount_api::create("tmpfs", &options, attributes).doing("mount", "/dev")?;
    let point = points.open(Path::new("/dev"), PointKind::Directory)?;
    mount_api::attach(&dev, &point).doing("mount", "/dev")?;
    for (name, major, minor) in DEVICES {
        let node = device(root, name, major, minor)?;
        attach_file(&dev, &node, name)?;
    }
    for (name, destination) in LINKS {
        rustix::fs::symlinkat(destination, &dev, name).doing("link", name)?;
    }
    if isolation.privileged {
        all_host_devices(Path::new("/dev"), &dev)?;
    }
    let shm_size = isolation.shm_size.to_string();
    let shm_options = [("mode", Some("1777")), ("size", Some(shm_size.as_str()))];
    let shm = mount_api::create("tmpfs", &shm_options, NO_SUID_DEV_EXEC).doing("mount", "/dev/shm")?;
    attach_directory(&dev, &shm, "shm")?;
    let queues = mount_api::create("mqueue", &[], NO_SUID_DEV_EXEC).doing("mount", "/dev/mqueue")?;
    attach_directory(&dev, &queues, "mqueue")?;
    attach_directory(&dev, &terminals()?, "pts")
}

/// A device node that may be opened, as a mount. Where nodes can't be made (in a user namespace), the host's.
fn device(root: &Root, name: &str, major: u32, minor: u32) -> Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o666);
    let made = rustix::fs::mknodat(&root.staging, name, FileType::CharacterDevice, mode, makedev(major, minor));
    match made {
        Ok(()) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let node = rustix::fs::openat(&root.staging, name, flags, Mode::empty()).doing("open", name)?;
            mount_api::clone_tree(&node, c"", false).doing("bind", name)
        }
        Err(Errno::PERM) => {
            let path = CString::new(format!("/dev/{name}")).map_err(message)?;
            mount_api::clone_tree(CWD, &path, false).doing("bind", format!("/dev/{name}"))
        }
        Err(errno) => Err(errno).doing("make the device", name),
    }
}

/// A devpts of the container's own. In a user namespace with one group only, there is no group for terminals.
fn terminals() -> Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("newinstance", None), ("ptmxmode", Some("0666")), ("mode", Some("0620")), ("gid", Some("5"))];
    match mount_api::create("devpts", &options, attributes) {
        Err(failure) if failure.errno == Errno::INVAL => mount_api::create("devpts", &options[..3], attributes),
        mounted => mounted,
    }
    .doing("mount", "/dev/pts")
}

/// Gives a privileged container every device of the host, as docker does.
fn all_host_devices(directory: &Path, dev: &OwnedFd) -> Result<()> {
    let entries = std::fs::read_dir(directory).doing("read", directory)?;
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Ok(stat) = rustix::fs::lstat(&path) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) || name == "console" {
            continue;
        }
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match rustix::fs::mknodat(dev, &name, kind, mode, stat.st_rdev) {
            // In a user namespace there is no way to make devices; it has the standard ones.
            Ok(()) | Err(Errno::EXIST | Errno::PERM) => {}
            Err(errno) => return Err(errno).doing("make the device", &path),
        }
    }
    Ok(())
}

fn attach_file(dev: &OwnedFd, mount: &OwnedFd, name: &str) -> Result<()> {
    rustix::fs::mknodat(dev, name, FileType::RegularFile, Mode::from_raw_mode(0o666), 0).doing("create", name)?;
    attach(dev, mount, name)
}

fn attach_directory(dev: &OwnedFd, mount: &OwnedFd, name: &str) -> Result<()> {
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755)).doing("create", name)?;
    attach(dev, mount, name)
}

fn attach(dev: &OwnedFd, mount: &OwnedFd, name: &str) -> Result<()> {
    let point = rustix::fs::openat(dev, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).doing("open", name)?;
    mount_api::attach(mount, &point).doing("mount", format!("/dev/{name}"))
}
