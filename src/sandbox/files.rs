//! The files of a container that runs, for a process of rbuild's own.

use std::io;
use std::os::fd::AsFd as _;

use rustix::process::{Pid, PidfdFlags};
use rustix::thread::ThreadNameSpaceType;

/// Makes the files of the container that the process is in this process's own: its root and working folder become the
/// container's. This process must have one thread, and no way back. Nothing in the container sees it, as it stays in the
/// process namespace that it is in.
pub fn enter_files(pid: i32) -> io::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    rustix::thread::move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::MOUNT)?;
    Ok(rustix::process::chdir("/")?)
}
