//! `/dev`: a small tmpfs with the few devices that every program may use.
//!
//! It is mounted without the right to open device nodes; those that are allowed are mounted one by one. So a program
//! that makes a node of the host's disk (CAP_MKNOD is among docker's defaults) can't open it, with no cgroup needed.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, makedev};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::thread::LinkNameSpaceType;

use super::root::Root;
use super::target::{MountPoints, PointKind};
use super::{Doing, Result, message, users};
use crate::sandbox::container::User;
use crate::sandbox::isolation::{Isolation, Namespace};
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

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

const NO_SUID_DEV_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

pub(super) fn mount(root: &Root, points: &mut MountPoints<'_>, isolation: &Isolation) -> Result<()> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, !isolation.opens_devices());
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
    if !isolation.namespaces.without_shm {
        attach_directory(&dev, &shared_memory(isolation)?, "shm")?;
    }
    attach_directory(&dev, &message_queues(isolation)?, "mqueue")?;
    attach_directory(&dev, &terminals(root)?, "pts")?;
    isolation.devices.iter().try_for_each(|device| asked_for(root, points, &device.host, &device.path))
}

/// `/dev/shm` belongs to the IPC namespace, whosever that is.
fn shared_memory(isolation: &Isolation) -> Result<OwnedFd> {
    match isolation.namespaces.ipc {
        Namespace::Own => {
            let size = isolation.shm_size.to_string();
            let options = [("mode", Some("1777")), ("size", Some(size.as_str()))];
            mount_api::create("tmpfs", &options, NO_SUID_DEV_EXEC).doing("mount", "/dev/shm")
        }
        Namespace::Host => mount_api::clone_tree(CWD, c"/dev/shm", false).doing("bind", "/dev/shm"),
        Namespace::OfProcess(pid) => tmpfs_of(pid, Path::new("/dev/shm")),
    }
}

/// A tmpfs of another container, taken in that one's mount namespace.
pub(super) fn tmpfs_of(pid: i32, path: &Path) -> Result<OwnedFd> {
    let open = |path: &str| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).doing("open", path);
    let (own, other) = (open("/proc/self/ns/mnt")?, open(&format!("/proc/{pid}/ns/mnt"))?);
    let enter = |namespace: &OwnedFd| {
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
            .doing("enter", "a mount namespace")
    };
    enter(&other)?;
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let tree = handle.and_then(|handle| mount_api::clone_tree(&handle, c"", false));
    enter(&own)?;
    let tree = tree.doing("bind the other container's", path)?;
    // That container may have put something else there meanwhile.
    match rustix::fs::fstatfs(&tree).doing("look at the other container's", path)?.f_type {
        TMPFS => Ok(tree),
        _ => Err(message(format!("`{}` of the other container is no tmpfs", path.display()))),
    }
}

fn message_queues(isolation: &Isolation) -> Result<OwnedFd> {
    match mount_api::create("mqueue", &[], NO_SUID_DEV_EXEC) {
        // Root of a user namespace may not mount those of the host's IPC namespace anew.
        Err(_) if isolation.namespaces.ipc == Namespace::Host => {
            mount_api::clone_tree(CWD, c"/dev/mqueue", false).doing("bind", "/dev/mqueue")
        }
        queues => queues.doing("mount", "/dev/mqueue"),
    }
}

/// A device of the host, or all in a folder of them, at a place in the container.
fn asked_for(root: &Root, points: &mut MountPoints<'_>, host: &Path, path: &Path) -> Result<()> {
    let stat = rustix::fs::stat(host).doing("find the device", host)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let mut found: Vec<_> = std::fs::read_dir(host).doing("read", host)?.flatten().collect();
            found.sort_by_key(std::fs::DirEntry::file_name);
            for entry in found {
                let kind = rustix::fs::stat(entry.path()).map(|stat| FileType::from_raw_mode(stat.st_mode));
                if matches!(kind, Ok(FileType::Directory | FileType::CharacterDevice | FileType::BlockDevice)) {
                    asked_for(root, points, &entry.path(), &path.join(entry.file_name()))?;
                }
            }
            Ok(())
        }
        kind @ (FileType::CharacterDevice | FileType::BlockDevice) => {
            let name = format!("device-{}", points.next_number());
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
            let node = match rustix::fs::mknodat(&root.staging, &name, kind, mode, stat.st_rdev) {
                Ok(()) => {
                    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                    rustix::fs::chownat(&root.staging, &name, Some(uid), Some(gid), AtFlags::empty())
                        .doing("give away the device", host)?;
                    let flags = OFlags::PATH | OFlags::CLOEXEC;
                    let node = rustix::fs::openat(&root.staging, &name, flags, Mode::empty()).doing("open", host)?;
                    mount_api::clone_tree(&node, c"", false).doing("bind", host)?
                }
                Err(Errno::PERM) => super::root::clone_host_path(host, false)?,
                Err(errno) => return Err(errno).doing("make the device", host),
            };
            let point = points.open(path, PointKind::File)?;
            mount_api::attach(&node, &point).doing("mount the device", path)
        }
        _ => Err(message(format!("not a device node: {}", host.display()))),
    }
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
fn terminals(root: &Root) -> Result<OwnedFd> {
    const GROUP_OF_TERMINALS: u32 = 5;
    let owner = User { gid: GROUP_OF_TERMINALS, ..User::default() };
    // A range of IDs may be too small to have it.
    let group = users::on_host(root.users.as_deref(), &owner).map_or(0, |owner| owner.gid).to_string();
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options =
        [("newinstance", None), ("ptmxmode", Some("0666")), ("mode", Some("0620")), ("gid", Some(group.as_str()))];
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
