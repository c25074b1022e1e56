//! A process that waits for the end of this one, and then kills a container that would otherwise run unwatched.
//!
//! The kernel kills rbuild's own containers together with their monitor. Containers of other runtimes have no such tie.

use std::ffi::{CString, OsStr, c_char};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use super::error::{SandboxError, start_error};
use super::running::{Handle, Running};

/// The container is killed if this process ends for any reason. Dropping this releases the container.
#[derive(Debug)]
pub struct Keeper {
    /// The keeper waits as long as this end is open.
    _alive: OwnedFd,
    keeper: Running,
}

/// The keeper's numbers of its two descriptors.
const PIPE: i32 = 0;
const CONTAINER: i32 = 1;

/// Watches a container. If it had to be killed, `cleanup` is executed: a program and its arguments.
pub fn keep(container: &Handle, cleanup: &[&OsStr]) -> Result<Keeper, SandboxError> {
    let failed = start_error("start the container's keeper");
    match fork(container, cleanup) {
        Ok((alive, pid)) => Ok(Keeper { _alive: alive, keeper: Running::new(pid, None)? }),
        Err(error) => Err(failed(error)),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The container has ended, or is no longer its concern. `Running` waits for the keeper.
        let _ = self.keeper.kill();
    }
}

fn fork(container: &Handle, cleanup: &[&OsStr]) -> io::Result<(OwnedFd, i32)> {
    let words: Vec<CString> = cleanup.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(ptr::null());
    let (reader, writer) = io::pipe()?;
    let (reader, container) = (OwnedFd::from(reader), container.as_pollable());
    // SAFETY: the child makes system calls only (signal-safety(7)), on data that was prepared before: this process may
    // have several threads. `pointers` ends with a null and points into `words`, of which the child has its own copy.
    let pid = unsafe {
        let pid = libc::fork();
        if pid == 0 {
            watch(reader.as_raw_fd(), container.as_raw_fd());
            if !pointers[0].is_null() {
                let environment = [ptr::null()];
                libc::execve(pointers[0], pointers.as_ptr(), environment.as_ptr());
            }
            libc::_exit(0);
        }
        pid
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((writer.into(), pid))
}

/// Returns when the container had to be killed, and has ended; otherwise never.
///
/// # Safety
/// Only in a child that was just forked: all other descriptors are closed.
unsafe fn watch(pipe: i32, container: i32) {
    // SAFETY: plain system calls on numbers and on an array of this function's own.
    unsafe {
        libc::setsid();
        let pipe = libc::fcntl(pipe, libc::F_DUPFD, 10);
        let container = libc::fcntl(container, libc::F_DUPFD, 10);
        libc::dup2(pipe, PIPE);
        libc::dup2(container, CONTAINER);
        libc::syscall(libc::SYS_close_range, CONTAINER + 1, u32::MAX, 0);
        libc::prctl(libc::PR_SET_NAME, c"rbuild-keeper".as_ptr());
        let mut is_killed = false;
        loop {
            // poll ignores a negative number.
            let pipe = if is_killed { -1 } else { PIPE };
            let mut events = [
                libc::pollfd { fd: pipe, events: libc::POLLIN, revents: 0 },
                libc::pollfd { fd: CONTAINER, events: libc::POLLIN, revents: 0 },
            ];
            libc::poll(events.as_mut_ptr(), 2, -1);
            if events[1].revents != 0 {
                if is_killed {
                    return;
                }
                // It has ended by itself: that is the business of its monitor, if there still is one.
                let mut monitor = [libc::pollfd { fd: PIPE, events: libc::POLLIN, revents: 0 }];
                libc::poll(monitor.as_mut_ptr(), 1, -1);
                return;
            }
            if events[0].revents != 0 {
                libc::syscall(libc::SYS_pidfd_send_signal, CONTAINER, libc::SIGKILL, ptr::null::<u8>(), 0);
                is_killed = true;
            }
        }
    }
}
