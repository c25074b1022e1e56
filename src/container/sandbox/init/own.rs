//! What the init keeps to itself: its memory, and no descriptor that it was not given.

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::doing::{Doing as _, Result};
use crate::container::sandbox::channel::{NETWORK_FD, USERS_FD};

/// To be called first of all. Closes what this process was not meant to have: whoever started rbuild may have had a folder
/// of the host open. And it lets nobody of the same user trace this process, or look at what it has open, until it has
/// become the program: then the kernel takes that back.
pub(super) fn keep_to_itself() {
    // SAFETY: prctl with numbers only. Nothing in this process knows of the descriptors that are closed.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        close_range(USERS_FD + 1, i32::MAX);
    }
}

/// Closes what is at the numbers of namespaces to join where there are none.
pub(super) fn close_unused(joins: bool, has_users: bool) {
    for (number, is_used) in [(NETWORK_FD, joins), (USERS_FD, has_users)] {
        if !is_used {
            // SAFETY: nothing in this process knows of that descriptor: it was not given one.
            unsafe { close_range(number, number) };
        }
    }
}

/// Closes all but the standard streams, in a process that goes on without what it has been.
pub(super) fn close_all() {
    // SAFETY: the caller never comes to where something is closed or used by its number.
    unsafe { close_range(libc::STDERR_FILENO + 1, i32::MAX) };
}

/// The same, but for one descriptor; and, where they are there, the two that a process joins something by.
pub(super) fn keep_only(kept: OwnedFd, has_joined: bool) -> Result<OwnedFd> {
    // Above those of a fixed number.
    let copy = rustix::io::fcntl_dupfd_cloexec(&kept, USERS_FD + 1).doing("keep", "a descriptor")?;
    drop(kept);
    let kept = copy;
    let first = if has_joined { USERS_FD + 1 } else { libc::STDERR_FILENO + 1 };
    let number = kept.as_raw_fd();
    // SAFETY: the caller never comes to where something else is closed or used by its number.
    unsafe {
        if first < number {
            close_range(first, number - 1);
        }
        close_range(number + 1, i32::MAX);
    }
    Ok(kept)
}

/// Other processes of the same user may look at this one, which has nothing of its own any more.
pub(super) fn let_others_look() {
    // SAFETY: prctl with numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
}

/// # Safety
/// The numbers must not be those of descriptors that something in this process closes or uses later.
unsafe fn close_range(first: i32, last: i32) {
    // SAFETY: as the caller promises. It can't fail for a range of numbers that is one.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
