//! Lets a process of rbuild enter the files of a running container.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Gid, Uid};
use rustix::process::{Pid, PidfdFlags};
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};

use super::remapped;

/// Enters the mount namespace of the container of that process: its root becomes this process's root and working
/// directory. Also enters its user namespace, if that differs. This process must have one thread, and can't go back.
/// Nothing in the container sees it, because it stays in its PID namespace.
pub fn enter_files(pid: i32) -> io::Result<()> {
    let users = remapped::users_of(pid)?;
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    rustix::thread::move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT)?;
    rustix::process::chdir("/")?;
    users.map_or(Ok(()), |(namespace, _)| become_root_of(&namespace))
}

/// Makes this thread root of a container's user namespace; it gives up its former rights.
pub(super) fn become_root_of(namespace: &OwnedFd) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}
