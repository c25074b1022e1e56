//! The program's terminal: one of the container's own devpts, with its master handed to rbuild.

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

/// Makes the terminal, gives it to the user, as the host numbers them, and shows it as `/dev/console`.
pub(super) fn open(dev: &Dev, user: &User) -> Result<Terminal> {
    let terminal = in_terminals(&dev.terminals, user)?;
    let name = "the terminal";
    let console = mount_api::clone_tree(&terminal.slave, c"", false).doing("bind", name)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount_api::set_attributes(&console, attributes, false).doing("bind", name)?;
    dev.show_console(&console)?;
    Ok(terminal)
}

/// Makes a terminal in a container that runs, and that this process is in; gives it to the user. What the container shows
/// at `/dev/pts` is only used if it is the kernel's.
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
    /// Makes it the controlling terminal of this process, which must lead a session, and its input and output.
    pub(super) fn take(self) -> Result<()> {
        rustix::process::ioctl_tiocsctty(&self.slave).doing("take", "the terminal")?;
        rustix::stdio::dup2_stdin(&self.slave).doing("read from", "the terminal")?;
        rustix::stdio::dup2_stdout(&self.slave).doing("write to", "the terminal")?;
        rustix::stdio::dup2_stderr(&self.slave).doing("write to", "the terminal")
    }
}
