//! `/dev/null` for programs of containers: not the host's. A program may change the mode and the owner of whatever it has
//! open, through `/proc/self/fd`, and so it would be the host's that changes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, makedev};
use rustix::mount::MountAttrFlags;

use super::mount_api;

const NAME: &str = "null";

/// One of nobody else's. Where device nodes cannot be made, which is where this process is not root of the host, it is
/// the host's: a program cannot change that there.
pub fn null_device() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    if let Some(own) = own(flags) {
        return Ok(own);
    }
    Ok(rustix::fs::open("/dev/null", flags, Mode::empty())?)
}

/// The filesystem that it is on is nowhere, and goes with it.
fn own(flags: OFlags) -> Option<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let place = mount_api::create("tmpfs", &[("mode", Some("0700")), ("size", Some("4k"))], attributes).ok()?;
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(&place, NAME, FileType::CharacterDevice, mode, makedev(1, 3)).ok()?;
    let node = rustix::fs::openat(&place, NAME, flags, Mode::empty()).ok()?;
    // What the umask has taken of it: a program of any user may open it again.
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
}
