//! Helper processes: for as long as rbuild lives, or until they are stopped.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::mpsc;

use rustix::process::{Pid, WaitId, WaitIdOptions};

/// Starts a helper that the kernel kills when this process ends for any reason.
///
/// The kernel watches the thread that starts it, so that is a thread that only waits for the helper's end.
pub fn spawn_helper(mut command: Command) -> io::Result<Child> {
    let die_with_parent = || {
        // SAFETY: prctl with numbers only; async-signal-safe.
        let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec only that one system call is made; no memory is allocated and no lock taken.
    unsafe { command.pre_exec(die_with_parent) };
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let started = command.spawn();
        let pid = started.as_ref().ok().and_then(|child| Pid::from_raw(child.id() as i32));
        // The receiver exists until it has this message.
        let _ = sender.send(started);
        if let Some(pid) = pid {
            // NOWAIT: the owner of the child reaps it. An error means that this has happened.
            let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        }
    });
    receiver.recv().map_err(io::Error::other)?
}

/// Starts a helper that outlives this process, and is not its child. The first four bytes of its standard output, which
/// should be a file, are its PID.
pub fn spawn_lasting_helper(mut command: Command) -> io::Result<()> {
    let step_aside = || {
        // SAFETY: plain system calls (signal-safety(7)); `pid` is owned here. The process in between ends at once.
        unsafe {
            match libc::fork() {
                -1 => return Err(io::Error::last_os_error()),
                0 => {}
                _ => libc::_exit(0),
            }
            let pid = libc::getpid().to_ne_bytes();
            match libc::write(libc::STDOUT_FILENO, pid.as_ptr().cast(), pid.len()) {
                // Not started, because nobody could end it without its PID.
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        }
    };
    // SAFETY: between fork and exec only those calls are made; no memory is allocated and no lock taken.
    unsafe { command.pre_exec(step_aside) };
    command.spawn()?.wait().map(drop)
}
