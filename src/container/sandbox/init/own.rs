//! Protects the init's memory, and closes descriptors that were not meant for it.

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::doing::{Doing as _, Result};
use crate::container::sandbox::channel::{NETWORK_FD, USERS_FD};

/// To be called first. Closes unexpected descriptors: the process that started rbuild may have had a folder of the host
/// open. Also prevents processes of the same user from tracing this one or reading what it has open, until execve, when
/// the kernel resets that.
pub(super) fn keep_to_itself() {
    // SAFETY: prctl with numbers only. Nothing in this process owns the descriptors that are closed.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        close_range(USERS_FD + 1, i32::MAX);
    }
}

/// Closes the descriptor numbers for namespaces to join if they are not used.
pub(super) fn close_unused(joins: bool, has_users: bool) {
    for (number, is_used) in [(NETWORK_FD, joins), (USERS_FD, has_users)] {
        if !is_used {
            // SAFETY: nothing in this process owns that descriptor: it was not given one.
            unsafe { close_range(number, number) };
        }
    }
}

/// Closes everything except the standard streams, in a process that no longer needs its former state.
pub(super) fn close_all() {
    // SAFETY: the caller never reaches code that closes or uses something by its number.
    unsafe { close_range(libc::STDERR_FILENO + 1, i32::MAX) };
}

/// The same, but keeps one descriptor, and the two descriptors for joining if they are used.
pub(super) fn keep_only(kept: OwnedFd, has_joined: bool) -> Result<OwnedFd> {
    // Above the fixed numbers.
    let copy = rustix::io::fcntl_dupfd_cloexec(&kept, USERS_FD + 1).doing("keep", "a descriptor")?;
    drop(kept);
    let kept = copy;
    let first = if has_joined { USERS_FD + 1 } else { libc::STDERR_FILENO + 1 };
    let number = kept.as_raw_fd();
    // SAFETY: the caller never reaches code that closes or uses anything else by its number.
    unsafe {
        if first < number {
            close_range(first, number - 1);
        }
        close_range(number + 1, i32::MAX);
    }
    Ok(kept)
}

/// Lets other processes of the same user access this one, which has no secrets any longer.
pub(super) fn let_others_look() {
    // SAFETY: prctl with numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
}

/// # Safety
/// The numbers must not be of descriptors that anything in this process closes or uses later.
unsafe fn close_range(first: i32, last: i32) {
    // SAFETY: the caller's promise. It can't fail for a valid range.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
