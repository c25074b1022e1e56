//! Descriptors that whoever started this process has left open for it.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes the descriptor of that number, which nothing in this process has opened; nothing when there is none. It is not
/// passed on any further.
pub fn take_inherited(number: RawFd) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: the number is only asked about; the answer says whether it is open.
    let asked = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(asked).ok()?;
    // SAFETY: it is open, and by the caller's word nobody else here has it.
    let taken = unsafe { OwnedFd::from_raw_fd(number) };
    // It fails for no open descriptor.
    let _ = fcntl_setfd(&taken, FdFlags::CLOEXEC);
    Some(taken)
}
