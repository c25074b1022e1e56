//! Device nodes.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, fstat, makedev};
use rustix::io::Errno;

use super::doing::{Doing, Result, message};
use super::root::Root;
use super::target::{MountPoints, PointKind};
use super::{ground, kernel_files};
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::mount_api;

/// The devices that every program may use: name, major and minor number (the kernel's admin-guide/devices.txt).
pub(super) const USUAL: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The major number of pseudoterminals.
const PSEUDO_TERMINALS: u32 = 136;

/// Whether the folder has a null device of that name, which docker's runtime requires of a `/dev`.
pub(super) fn has_null(tree: &OwnedFd) -> bool {
    let null = kernel_files::beneath(tree, Path::new("null"), OFlags::PATH, ResolveFlags::empty());
    null.is_ok_and(|null| is(&null, 1, 3))
}

/// Whether the handle itself, rather than a folder, is a device that docker lets every container open.
pub(super) fn is_usual(handle: &OwnedFd) -> bool {
    let numbers = |stat: &Stat| (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let is_listed = |(major, minor)| {
        let others = [(5, 1), (5, 2)];
        major == PSEUDO_TERMINALS
            || USUAL.iter().map(|(_, major, minor)| (*major, *minor)).chain(others).any(|one| one == (major, minor))
    };
    fstat(handle).is_ok_and(|stat| is_character_device(&stat) && is_listed(numbers(&stat)))
}

fn is_character_device(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
}

pub(super) fn is(handle: &OwnedFd, major: u32, minor: u32) -> bool {
    fstat(handle).is_ok_and(|stat| is_character_device(&stat) && stat.st_rdev == makedev(major, minor))
}

/// The host's `/dev`, opened before anything of the image is mounted.
pub(super) fn of_host() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/dev", flags, Mode::empty()).doing("open", "/dev")
}

/// Mounts a device of the host, or all devices in a folder, at a path in the container.
pub(super) fn asked_for(root: &Root, points: &mut MountPoints<'_>, host: &Path, path: &Path) -> Result<()> {
    let stat = rustix::fs::stat(host).doing("find the device", host)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let mut found: Vec<_> = std::fs::read_dir(host).doing("read", host)?.flatten().collect();
            found.sort_by_key(std::fs::DirEntry::file_name);
            for entry in found {
                let kind = rustix::fs::lstat(entry.path()).map(|stat| FileType::from_raw_mode(stat.st_mode));
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
            ground::check_device(path, &points.place_of(&point)?)?;
            mount_api::attach(&node, &point).doing("mount the device", path)
        }
        _ => Err(message(format!("not a device node: {}", host.display()))),
    }
}

/// A device node that can be opened, as a mount. If nodes can't be created (in a user namespace), the host's.
pub(super) fn make(root: &Root, name: &str, major: u32, minor: u32) -> Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o666);
    let made = rustix::fs::mknodat(&root.staging, name, FileType::CharacterDevice, mode, makedev(major, minor));
    let node = match made {
        Ok(()) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let node = rustix::fs::openat(&root.staging, name, flags, Mode::empty()).doing("open", name)?;
            mount_api::clone_tree(&node, c"", false).doing("bind", name)?
        }
        Err(Errno::PERM) => {
            let path = CString::new(name).map_err(message)?;
            mount_api::clone_tree(&root.host_devices, &path, false).doing("bind", format!("/dev/{name}"))?
        }
        Err(errno) => return Err(errno).doing("make the device", name),
    };
    match is(&node, major, minor) {
        true => Ok(node),
        false => Err(message(format!("the host's `/dev/{name}` is not the device {major}:{minor}"))),
    }
}

/// Folders of the host that containers have their own version of, or that have no devices (docker's list).
const NOT_SHOWN: [&CStr; 7] = [c"pts", c"shm", c"fd", c"mqueue", c".lxc", c".lxd-mounts", c".udev"];

/// Gives a privileged container every device of the host, in the same folders, as docker does.
pub(super) fn add_all_of_host(host: &OwnedFd, dev: &OwnedFd) -> Result<()> {
    let entries = Dir::read_from(host).doing("read", "/dev")?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Ok(stat) = rustix::fs::statat(host, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let made = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if !NOT_SHOWN.contains(&name) => add_folder_of_host(host, dev, name),
            kind @ (FileType::CharacterDevice | FileType::BlockDevice) if name != c"console" => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::mknodat(dev, name, kind, mode, stat.st_rdev).doing("make the device", os(name))
            }
            _ => Ok(()),
        };
        match made {
            // In a user namespace, devices can't be created; it has the standard ones.
            Err(InitError::System { errno, .. }) if [libc::EEXIST, libc::EPERM].contains(&errno) => {}
            made => made?,
        }
    }
    Ok(())
}

/// A folder without devices is left out.
fn add_folder_of_host(host: &OwnedFd, dev: &OwnedFd, name: &CStr) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(inside) = rustix::fs::openat(host, name, flags, Mode::empty()) else { return Ok(()) };
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755)).doing("create", os(name))?;
    let made = rustix::fs::openat(dev, name, flags, Mode::empty()).doing("open", os(name))?;
    add_all_of_host(&inside, &made)?;
    match rustix::fs::unlinkat(dev, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY) => Ok(()),
        Err(errno) => Err(errno).doing("remove", os(name)),
    }
}

fn os(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}
