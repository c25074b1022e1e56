//! What a container does without where the surroundings of rbuild allow less than its kernel: each by the one error
//! that says so, and noted, so that the user is told.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::root::{self, OpenStack};
use super::users::Users;
use super::{Doing, Result, message};
use crate::container::sandbox::container::Container;
use crate::container::sandbox::error::InitError;
use crate::container::sandbox::without::Without;

/// The folders of the staging area that take the changes where the store's filesystem can't.
const SCRATCH: [&str; 2] = ["scratch-upper", "scratch-work"];

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

/// The merged tree of a stack. Where its writable folder is on a filesystem that overlayfs writes no changes to (the
/// overlayfs that a container's own root is, FUSE, network filesystems), changes go to the staging area's memory, and the
/// writable folder becomes the topmost of those below. Gives the stack as it was mounted, and the folder in memory.
pub(super) fn mount_stack(
    stack: OpenStack,
    staging: &OwnedFd,
    users: Option<&Users>,
) -> Result<(OwnedFd, OpenStack, Option<OwnedFd>)> {
    let refused = match root::mount_stack(&stack, staging, users) {
        Ok(mount) => return Ok((mount, stack, None)),
        Err(error) => error,
    };
    let is_refused = matches!(&refused, InitError::System { errno, .. } if *errno == Errno::INVAL.raw_os_error());
    let Some(upper) = stack.upper().filter(|_| is_refused) else { return Err(refused) };
    let scratch = scratch_like(upper, staging)?;
    let kept = open(staging, SCRATCH[0])?;
    let in_memory = stack.with_changes_in(scratch, SCRATCH);
    match root::mount_stack(&in_memory, staging, users) {
        Ok(mount) => {
            note(Without::LastingChanges);
            Ok((mount, in_memory, Some(kept)))
        }
        // Then it is not the place of the changes.
        Err(_) => Err(refused),
    }
}

/// Two empty folders, of which the first looks like `upper`: it is the merged tree's root.
fn scratch_like(upper: &OwnedFd, staging: &OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
    let stat = rustix::fs::fstat(upper).doing("look at", "the folder of changes")?;
    for name in SCRATCH {
        rustix::fs::mkdirat(staging, name, Mode::RWXU).doing("create", name)?;
    }
    let name = SCRATCH[0];
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(staging, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .doing("change the owner of", name)?;
    rustix::fs::chmodat(staging, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())
        .doing("change the mode of", name)?;
    let time = rustix::fs::Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(staging, name, &times, AtFlags::SYMLINK_NOFOLLOW).doing("set the time of", name)?;
    Ok((open(staging, SCRATCH[0])?, open(staging, SCRATCH[1])?))
}

fn open(folder: &OwnedFd, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).doing("open", name)
}

/// Makes the working folder, which is the root of a mount, this process's root, and lets go of the old one. Where
/// pivot_root is forbidden, the new root is moved over the old one, which nobody reaches any more: the way up ends at the
/// topmost mount (as after switch_root(8)). Who may unmount could uncover it, so such a program gets nothing.
pub(super) fn change_root(may_unmount: bool) -> Result<()> {
    // The old root is put on top of the new one, and detached from there: pivot_root(2), NOTES.
    match rustix::process::pivot_root(".", ".") {
        Err(Errno::PERM) if may_unmount => {
            Err(message("pivot_root is forbidden here, and a program that may unmount would reach the host's files"))
        }
        Err(Errno::PERM) => {
            note(Without::PivotRoot);
            rustix::mount::mount_move(".", "/").doing("move to /", "the root filesystem")?;
            rustix::process::chroot(".").doing("enter", "the root filesystem")
        }
        pivoted => {
            pivoted.doing("pivot to", "the root filesystem")?;
            rustix::mount::unmount(".", UnmountFlags::DETACH).doing("unmount", "the host's root")
        }
    }
}

/// Whether the program could unmount what it sees.
pub(super) fn may_unmount(container: &Container) -> bool {
    let isolation = &container.isolation;
    isolation.privileged || isolation.capabilities.contains("SYS_ADMIN")
}
