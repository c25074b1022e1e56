//! Descriptors that this process has inherited.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes the descriptor with that number, which nothing in this process may own; `None` if it is not open. It is not
/// inherited any further.
pub fn take_inherited(number: RawFd) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: the number is only used to ask whether it is open.
    let asked = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(asked).ok()?;
    // SAFETY: it is open, and by the caller's promise nothing else here owns it.
    let taken = unsafe { OwnedFd::from_raw_fd(number) };
    // Fails only if the descriptor is not open.
    let _ = fcntl_setfd(&taken, FdFlags::CLOEXEC);
    Some(taken)
}
