//! The working directory: entered as the program's user, and inside of the container for certain.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::doing::{Doing, Result, message};
use crate::container::sandbox::container::User;
use crate::container::sandbox::error::InitError;

/// Enters the folder. Root's rights are used only where the user's are not enough, as docker does: a program may be started
/// in a folder that its user can't enter by itself.
pub(super) fn enter(path: &Path, user: &User) -> Result<()> {
    let entered = match as_user(user, || change(path)) {
        Err(Errno::ACCESS | Errno::PERM) => change(path),
        entered => entered,
    };
    match entered {
        Err(Errno::NOENT) => return Err(InitError::NoDirectory { path: path.to_owned() }),
        Err(Errno::LOOP) => {
            let path = path.display();
            return Err(message(format!(
                "the working directory `{path}` leads through links of /proc, or in a circle"
            )));
        }
        entered => entered.doing("enter the working directory", path)?,
    }
    // The system call itself says `(unreachable)` of a folder that is outside (getcwd(2)).
    let place = rustix::process::getcwd(Vec::new()).doing("find out about the working directory", path)?;
    match place.to_bytes().starts_with(b"/") {
        true => Ok(()),
        false => Err(message(format!("the working directory `{}` is outside of the container", path.display()))),
    }
}

/// Enters it where nothing leads out of the root.
#[cfg(target_arch = "x86_64")]
pub(super) fn enter_as_root(path: &Path) -> Result<()> {
    match rustix::process::chdir(path) {
        Err(Errno::NOENT) => Err(InitError::NoDirectory { path: path.to_owned() }),
        entered => entered.doing("enter the working directory", path),
    }
}

/// The links of /proc that lead to open files, and to other processes' folders, are not followed.
fn change(path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = loop {
        match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            folder => break folder?,
        }
    };
    rustix::process::fchdir(&folder)
}

/// Does something with the user's rights over files. `user` is as the host numbers it.
fn as_user(user: &User, work: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    // With its users translated this process keeps them otherwise (capabilities(7), `SECBIT_NO_SETUID_FIXUP`).
    let before = rustix::thread::capabilities(None)?;
    let over_files = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let less = CapabilitySets { effective: before.effective - over_files, ..before };
    if user.uid != 0 {
        rustix::thread::set_capabilities(None, less)?;
    }
    // SAFETY: they change how the kernel judges this thread's use of files, and no memory; an ID that can't be had changes
    // nothing. This process has one thread.
    let (uid, gid) = unsafe {
        let gid = libc::setfsgid(user.gid);
        (libc::setfsuid(user.uid), gid)
    };
    let result = work();
    // SAFETY: as above.
    unsafe {
        libc::setfsuid(uid as libc::uid_t);
        libc::setfsgid(gid as libc::gid_t);
    }
    if user.uid != 0 {
        rustix::thread::set_capabilities(None, before)?;
    }
    result
}
