//! The program's terminal: from the container's own devpts; rbuild gets its master side.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::pty::OpenptFlags;

use super::dev_folder::Dev;
use super::doing::{Doing, Result, message};
use super::kernel_files::{FileSystem, KernelFiles};
use crate::container::sandbox::container::User;
use crate::container::sandbox::mount_api;

pub(super) struct Terminal {
    pub(super) master: OwnedFd,
    slave: OwnedFd,
}

/// Creates the terminal, gives it to the user (with the host's IDs), and mounts it at `/dev/console`.
pub(super) fn open(dev: &Dev, user: &User) -> Result<Terminal> {
    let terminal = in_terminals(&dev.terminals, user)?;
    let name = "the terminal";
    let console = mount_api::clone_tree(&terminal.slave, c"", false).doing("bind", name)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount_api::set_attributes(&console, attributes, false).doing("bind", name)?;
    dev.show_console(&console)?;
    Ok(terminal)
}

/// Creates a terminal in a running container, which this process has entered, and gives it to the user. What the
/// container has at `/dev/pts` is only used if it is the kernel's.
pub(super) fn open_in_container(user: &User) -> Result<Terminal> {
    const PLACE: &str = "/dev/pts";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat2(CWD, PLACE, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Err(Errno::NOENT | Errno::NOTDIR) => {
            return Err(message(format!("the container has no `{PLACE}`, so it cannot have a terminal")));
        }
        folder => folder.doing("open", PLACE)?,
    };
    in_terminals(&KernelFiles::new(folder, FileSystem::Terminals, PLACE)?, user)
}

fn in_terminals(terminals: &KernelFiles, user: &User) -> Result<Terminal> {
    let master = terminals.open("ptmx", OFlags::RDWR | OFlags::NOCTTY).doing("open", "/dev/ptmx")?;
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
    /// Makes it the controlling terminal of this process, which must be a session leader, and its standard streams.
    pub(super) fn take(self) -> Result<()> {
        rustix::process::ioctl_tiocsctty(&self.slave).doing("take", "the terminal")?;
        rustix::stdio::dup2_stdin(&self.slave).doing("read from", "the terminal")?;
        rustix::stdio::dup2_stdout(&self.slave).doing("write to", "the terminal")?;
        rustix::stdio::dup2_stderr(&self.slave).doing("write to", "the terminal")
    }
}
