//! The files of a container that runs, for a process of rbuild's own.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Gid, Uid};
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};

use super::remapped;

/// Makes the files of the container that the process is in this process's own: its root and working folder become the
/// container's; so do its users, where they are not the host's. This process must have one thread, and no way back. Nothing in the container sees it, as it stays in the
/// process namespace that it is in.
pub fn enter_files(pid: i32) -> io::Result<()> {
    let users = remapped::users_of(pid)?;
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    rustix::thread::move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT)?;
    rustix::process::chdir("/")?;
    users.map_or(Ok(()), |(namespace, _)| become_root_of(&namespace))
}

/// This thread becomes root of a container's user namespace, and gives up what it was.
pub(super) fn become_root_of(namespace: &OwnedFd) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}
