//! The program's terminal: one of the container's own devpts, with its master handed to rbuild.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Gid, OFlags, Uid};
use rustix::mount::MountAttrFlags;
use rustix::pty::OpenptFlags;

use super::root::Root;
use super::target::{self, MountPoints, PointKind};
use super::{Doing, Result, users};
use crate::sandbox::container::User;
use crate::sandbox::mount_api;

pub(super) struct Terminal {
    pub(super) master: OwnedFd,
    slave: OwnedFd,
}

/// Makes the terminal, gives it to the user, and shows it as `/dev/console`.
pub(super) fn open(root: &Root, user: &User, points: &mut MountPoints<'_>) -> Result<Terminal> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = target::open_with(&root.mount, Path::new("/dev/pts/ptmx"), flags).doing("open", "/dev/ptmx")?;
    let Terminal { master, slave } = with_master(master, &users::on_host(root.users.as_deref(), user)?)?;
    let name = rustix::pty::ptsname(&master, Vec::new()).doing("name", "the terminal")?;
    let name = name.to_string_lossy();
    let handle = target::open(&root.mount, Path::new(&*name)).doing("open", &*name)?;
    let console = mount_api::clone_tree(&handle, c"", false).doing("bind", &*name)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount_api::set_attributes(&console, attributes, false).doing("bind", &*name)?;
    let place = Path::new("/dev/console");
    let point = points.open(place, PointKind::File)?;
    mount_api::attach(&console, &point).doing("mount", place)?;
    Ok(Terminal { master, slave })
}

/// The terminal of a master that was opened, given to the user, as the host numbers them.
pub(super) fn with_master(master: OwnedFd, user: &User) -> Result<Terminal> {
    rustix::pty::unlockpt(&master).doing("unlock", "the terminal")?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, peer).doing("open", "the terminal")?;
    if user.uid != 0 {
        let uid = Uid::from_raw(user.uid);
        rustix::fs::fchown(&slave, Some(uid), None::<Gid>).doing("give away", "the terminal")?;
    }
    Ok(Terminal { master, slave })
}

impl Terminal {
    /// Makes it the controlling terminal of this process, which must lead a session, and its input and output.
    pub(super) fn take(self) -> Result<()> {
        rustix::process::ioctl_tiocsctty(&self.slave).doing("take", "the terminal")?;
        rustix::stdio::dup2_stdin(&self.slave).doing("read from", "the terminal")?;
        rustix::stdio::dup2_stdout(&self.slave).doing("write to", "the terminal")?;
        rustix::stdio::dup2_stderr(&self.slave).doing("write to", "the terminal")
    }
}
