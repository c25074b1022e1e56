//! A `/dev/null` for containers' programs that is not the host's. A program may change the mode and owner of anything
//! that it has open, through `/proc/self/fd`, and would change the host's device.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, makedev, openat2};
use rustix::mount::MountAttrFlags;

use super::mount_api;

const NAME: &str = "null";
const HOSTS: &str = "/dev/null";

/// Creates a separate device. If device nodes can't be created, because this process is not root of the host, returns
/// the host's: there a program can't change it.
pub fn null_device() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    if let Some(own) = own(flags) {
        return Ok(own);
    }
    Ok(rustix::fs::open(HOSTS, flags, Mode::empty())?)
}

/// The device of a running container, which saves a filesystem; a separate one if it has something else there.
pub(super) fn null_device_in(container: i32) -> io::Result<OwnedFd> {
    match of_container(Path::new(&format!("/proc/{container}/root"))) {
        Some(own) => Ok(own),
        None => null_device(),
    }
}

/// `dev/null` below a root that others may change: checked before it is opened, and never the host's.
fn of_container(root: &Path) -> Option<OwnedFd> {
    let found = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS);
    let found = openat2(found, "dev/null", flags, Mode::empty(), resolve).ok()?;
    let (own, hosts) = (rustix::fs::fstat(&found).ok()?, rustix::fs::stat(HOSTS).ok()?);
    if !is_null(&own) || (own.st_dev, own.st_ino) == (hosts.st_dev, hosts.st_ino) {
        return None;
    }
    // Opened through the handle, so that it is the one that was checked.
    let name = format!("/proc/self/fd/{}", found.as_raw_fd());
    rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn is_null(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == makedev(1, 3)
}

/// Its filesystem is detached, and ends with it.
fn own(flags: OFlags) -> Option<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let place = mount_api::create("tmpfs", &[("mode", Some("0700")), ("size", Some("4k"))], attributes).ok()?;
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(&place, NAME, FileType::CharacterDevice, mode, makedev(1, 3)).ok()?;
    let node = rustix::fs::openat(&place, NAME, flags, Mode::empty()).ok()?;
    // Undoes the umask: a program of any user may reopen it.
    rustix::fs::fchmod(&node, mode).ok()?;
    Some(node)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn takes_all_and_gives_nothing() {
        let mut null = std::fs::File::from(null_device().unwrap());
        null.write_all(b"gone").unwrap();
        assert_eq!(null.read(&mut [0; 8]).unwrap(), 0);
        let (own, host) = (rustix::fs::fstat(&null).unwrap(), rustix::fs::stat("/dev/null").unwrap());
        assert_eq!(own.st_rdev, host.st_rdev);
        if rustix::process::geteuid().is_root() {
            assert_ne!((own.st_dev, own.st_ino), (host.st_dev, host.st_ino));
        }
    }

    #[test]
    fn that_of_a_root_is_taken_when_it_is_one() {
        let root = tempfile::tempdir().unwrap();
        let (dev, null) = (root.path().join("dev"), root.path().join("dev/null"));
        let again = || {
            let _ = std::fs::remove_file(&null);
        };
        std::fs::create_dir(&dev).unwrap();
        assert!(of_container(root.path()).is_none());
        std::fs::write(&null, "a file").unwrap();
        assert!(of_container(root.path()).is_none());
        again();
        std::os::unix::fs::symlink(HOSTS, &null).unwrap();
        assert!(of_container(root.path()).is_none());
        again();
        // The host's own device under another root.
        assert!(of_container(Path::new("/")).is_none());
        for (number, is_taken) in [(makedev(1, 5), false), (makedev(1, 3), true)] {
            let mode = Mode::from_raw_mode(0o666);
            if rustix::fs::mknodat(rustix::fs::CWD, &null, FileType::CharacterDevice, mode, number).is_err() {
                return;
            }
            // A filesystem may be mounted `nodev`.
            let can_be_opened = std::fs::File::open(&null).is_ok();
            assert_eq!(of_container(root.path()).is_some(), is_taken && can_be_opened);
            again();
        }
    }
}
