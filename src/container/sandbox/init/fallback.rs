//! What a container does without if rbuild's surroundings allow less than the kernel supports: each is detected by a
//! specific error, and recorded for a warning.

use std::cell::RefCell;

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::container::sandbox::container::Container;
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::without::Without;

thread_local! {
    /// This process has one thread, and sets up one container.
    static NOTED: RefCell<Vec<Without>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn note(what: Without) {
    NOTED.with_borrow_mut(|noted| {
        if !noted.contains(&what) {
            noted.push(what);
        }
    });
}

/// What was recorded since the last call.
pub(super) fn noted() -> Vec<Without> {
    NOTED.take()
}

/// Continues without something that is not permitted here. Any other error is returned.
pub(super) fn if_permitted(result: rustix::io::Result<()>, what: Without) -> rustix::io::Result<()> {
    match result {
        Err(Errno::PERM) => {
            note(what);
            Ok(())
        }
        other => other,
    }
}

/// Makes the working directory, which is the root of a mount, this process's root, and drops the old one. If pivot_root
/// is forbidden, the new root is moved over the old one, which can't be reached any longer: `..` ends at the topmost
/// mount (as with switch_root(8)). A program that may unmount could uncover it, so this fails for it.
pub(super) fn change_root(may_unmount: bool) -> Result<(), InitError> {
    let doing = |action: &str, subject: &str| {
        let (action, subject) = (action.to_owned(), subject.to_owned());
        move |errno: Errno| InitError::System { action, subject, errno: errno.raw_os_error() }
    };
    let new = "the root filesystem";
    // The old root is mounted on top of the new one, and detached from there: pivot_root(2), NOTES.
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

/// Whether the program could unmount its root.
pub(super) fn may_unmount(container: &Container) -> bool {
    let isolation = &container.isolation;
    isolation.privileged || isolation.capabilities.contains("SYS_ADMIN")
}
