//! What a container does without where the surroundings of rbuild allow less than its kernel: each by the one error
//! that says so, and noted, so that the user is told.

use std::cell::RefCell;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::container::sandbox::container::Container;
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::without::Without;

thread_local! {
    /// This process has one thread, and makes one container.
    static NOTED: RefCell<Vec<Without>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn note(what: Without) {
    NOTED.with_borrow_mut(|noted| {
        if !noted.contains(&what) {
            noted.push(what);
        }
    });
}

/// What was noted since the last time.
pub(super) fn noted() -> Vec<Without> {
    NOTED.take()
}

/// Goes on without something that is not permitted here. Any other error is one.
pub(super) fn if_permitted(result: rustix::io::Result<()>, what: Without) -> rustix::io::Result<()> {
    match result {
        Err(Errno::PERM) => {
            note(what);
            Ok(())
        }
        other => other,
    }
}

/// Makes the working folder, which is the root of a mount, this process's root, and lets go of the old one. Where
/// pivot_root is forbidden, the new root is moved over the old one, which nobody reaches any more: the way up ends at the
/// topmost mount (as after switch_root(8)). Who may unmount could uncover it, so such a program gets nothing.
pub(super) fn change_root(may_unmount: bool) -> Result<(), InitError> {
    let doing = |action: &str, subject: &str| {
        let (action, subject) = (action.to_owned(), subject.to_owned());
        move |errno: Errno| InitError::System { action, subject, errno: errno.raw_os_error() }
    };
    let new = "the root filesystem";
    // The old root is put on top of the new one, and detached from there: pivot_root(2), NOTES.
    match rustix::process::pivot_root(".", ".") {
        Err(Errno::PERM) if may_unmount => {
            let why = "pivot_root is forbidden here, and a program that may unmount would reach the host's files";
            Err(InitError::Message(why.to_owned()))
        }
        Err(Errno::PERM) => {
            note(Without::PivotRoot);
            rustix::mount::mount_move(".", "/").map_err(doing("move to /", new))?;
            rustix::process::chroot(".").map_err(doing("enter", new))
        }
        pivoted => {
            pivoted.map_err(doing("pivot to", new))?;
            rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(doing("unmount", "the host's root"))
        }
    }
}

/// Whether the program could unmount what it sees.
pub(super) fn may_unmount(container: &Container) -> bool {
    let isolation = &container.isolation;
    isolation.privileged || isolation.capabilities.contains("SYS_ADMIN")
}
