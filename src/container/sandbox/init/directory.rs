//! The working directory: entered as the program's user, and guaranteed to be inside the container.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::doing::{Doing, Result, message};
use crate::container::sandbox::container::User;
use crate::container::sandbox::error::InitError;

/// Enters the folder. As in docker, root's rights are only used if the user's are not sufficient: a program may be
/// started in a folder that its user can't enter.
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
    // The system call itself reports `(unreachable)` for a folder that is outside (getcwd(2)).
    let place = rustix::process::getcwd(Vec::new()).doing("find out about the working directory", path)?;
    match place.to_bytes().starts_with(b"/") {
        true => Ok(()),
        false => Err(message(format!("the working directory `{}` is outside of the container", path.display()))),
    }
}

/// Enters it if nothing can lead out of the root.
#[cfg(target_arch = "x86_64")]
pub(super) fn enter_as_root(path: &Path) -> Result<()> {
    match rustix::process::chdir(path) {
        Err(Errno::NOENT) => Err(InitError::NoDirectory { path: path.to_owned() }),
        entered => entered.doing("enter the working directory", path),
    }
}

/// The magic links of /proc, to open files and other processes' folders, are not followed.
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

/// Calls `work` with the user's rights to files. `user` has the host's IDs.
fn as_user(user: &User, work: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    // With mapped users, this process keeps its capabilities otherwise (capabilities(7), `SECBIT_NO_SETUID_FIXUP`).
    let before = rustix::thread::capabilities(None)?;
    let over_files = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    let less = CapabilitySets { effective: before.effective - over_files, ..before };
    if user.uid != 0 {
        rustix::thread::set_capabilities(None, less)?;
    }
    // SAFETY: they change how the kernel checks this thread's file accesses, and no memory; an invalid ID changes
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
