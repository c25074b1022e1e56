//! Paths of this process's own handles: they reopen an `O_PATH` handle, and serve system calls that take no handle.
//! Only these "magic" links are followed, and only where rbuild made the handle.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROC: u64 = 0x9fa0;

thread_local! {
    /// The process that opened it: a child has its own handles.
    static OWN: RefCell<Option<(u32, Rc<OwnedFd>)>> = const { RefCell::new(None) };
    /// It enters a container, where the path `/proc/self/fd` may be anything. A thread that changes mounts has its own.
    static IS_LEAVING: Cell<bool> = const { Cell::new(false) };
}

/// The path `/proc/self/fd` has been checked, and is this process's own.
static IS_SEEN: AtomicBool = AtomicBool::new(false);

/// Opens what [`Handle`](super::Handle) needs of the host's proc filesystem. A process calls this before it enters the
/// mount namespace of a container, whose `/proc` may be anything.
pub fn keep_own_handles() -> Result<()> {
    IS_LEAVING.set(true);
    own().map(drop)
}

fn own() -> Result<Rc<OwnedFd>> {
    let pid = std::process::id();
    OWN.with_borrow_mut(|kept| {
        if let Some((owner, folder)) = kept
            && *owner == pid
        {
            return Ok(folder.clone());
        }
        // It belongs to the process that this one was forked from: the number may mean another file here.
        std::mem::forget(kept.take());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open("/proc/self/fd", flags, Mode::empty())?;
        if rustix::fs::fstatfs(&folder)?.f_type as u64 != PROC {
            return Err(Errno::NOSYS);
        }
        let folder = Rc::new(folder);
        *kept = Some((pid, folder.clone()));
        Ok(folder)
    })
}

fn number(handle: impl AsFd) -> CString {
    // Digits contain no NUL.
    CString::new(handle.as_fd().as_raw_fd().to_string()).unwrap_or_default()
}

/// Another handle of the same file, with other access rights.
pub(super) fn reopen(handle: impl AsFd, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::openat(own()?, number(handle), flags | OFlags::CLOEXEC, Mode::empty())
}

/// chmod(2) of the file behind an `O_PATH` handle. (fchmodat2(2) could do this, but needs Linux 6.6.)
pub(super) fn set_mode(handle: impl AsFd, mode: Mode) -> Result<()> {
    rustix::fs::chmodat(own()?, number(handle), mode, rustix::fs::AtFlags::empty())
}

/// linkat(2) of the file behind a handle. (`AT_EMPTY_PATH` needs a capability.)
pub(super) fn link(handle: impl AsFd, to: impl AsFd, name: impl rustix::path::Arg) -> Result<()> {
    rustix::fs::linkat(own()?, number(handle), to, name, rustix::fs::AtFlags::SYMLINK_FOLLOW)
}

/// The current path of a handle. Another process may move the file at any time, so this is only for messages and
/// comparisons.
pub(super) fn path(handle: impl AsFd) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let target = rustix::fs::readlinkat(own()?, number(handle), Vec::new())?;
    Ok(std::ffi::OsString::from_vec(target.into_bytes()).into())
}

/// A path of the handle, for system calls that take nothing else: extended attributes of a file that is not open.
/// `None` if this process has left the host's `/proc`.
pub(super) fn name(handle: impl AsFd) -> Result<Option<String>> {
    if IS_LEAVING.get() {
        return Ok(None);
    }
    // This also works in children: the link resolves for whoever reads it.
    if !IS_SEEN.load(Ordering::Relaxed) {
        own()?;
        IS_SEEN.store(true, Ordering::Relaxed);
    }
    Ok(Some(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())))
}
