//! A child process that outlives this one: in its own session, and without its files.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::arguments::replace_arguments;
use crate::base::identity::{self, Identity};

/// The child's descriptor of its end of the stream.
const STREAM_FD: i32 = 3;

/// Forks a child that runs `work` and exits; returns this side of a stream between both.
///
/// The child has no other descriptors, `/` as its working directory and its own session, so that neither the end of
/// this process nor a key typed at its terminal ends it, and it does not show this process's command line. It continues
/// with a copy of this process's memory, so returns `None` if there is a second thread: whatever that thread was doing
/// would never be finished. Such a process uses [`execute_detached`].
pub fn fork_detached(identity: Identity, work: impl FnOnce(UnixStream)) -> io::Result<Option<UnixStream>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Ok(None);
    }
    let (ours, theirs) = UnixStream::pair()?;
    let null = OwnedFd::from(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?);
    // SAFETY: this is the only thread, so the child may go on with everything that is in memory.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let stream = arrange_descriptors(&theirs, &null);
            replace_arguments(identity.name());
            // A panic must not unwind into the parent's code.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(stream)));
            // SAFETY: ends this process at once: nothing of the parent's is flushed or closed twice.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(Some(ours)),
    }
}

/// Executes rbuild as such a child, with the role `identity`; returns this side of a stream, whose other side the child
/// gets by [`take_stream`].
pub fn execute_detached(identity: Identity) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(identity::program()?);
    command.arg0(identity.name()).current_dir("/");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let leave = || {
        // SAFETY: plain system calls on numbers. Whatever other descriptors a program using this library has open are
        // close-on-exec.
        unsafe {
            libc::setsid();
            libc::syscall(libc::SYS_close_range, STREAM_FD, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            usual_umask_and_signals();
        }
        Ok(())
    };
    // SAFETY: the child only makes system calls, which are async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(leave) };
    let mut child = command.spawn()?;
    // Otherwise it would stay a zombie as long as this process lives.
    std::thread::spawn(move || child.wait());
    Ok(ours)
}

/// This process's end of the stream if it was executed with the role `identity`. Programs don't inherit it.
pub fn take_stream(identity: Identity) -> io::Result<UnixStream> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let name = CString::new(identity.name())?;
    // SAFETY: the kernel copies the name.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    Ok(UnixStream::from(stream))
}

/// Resets the umask for a program that creates files for other users: this process's own denies others all access.
pub fn with_usual_umask(command: &mut Command) {
    let set = || {
        // SAFETY: takes a number and cannot fail.
        unsafe { libc::umask(0o022) };
        Ok(())
    };
    // SAFETY: the child only makes that call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(set) };
}

/// # Safety
/// Only in a child: signals are the whole process's.
unsafe fn usual_umask_and_signals() {
    // SAFETY: plain system calls on numbers.
    unsafe {
        libc::umask(0o022);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGCHLD] {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

fn arrange_descriptors(stream: &UnixStream, null: &OwnedFd) -> UnixStream {
    // SAFETY: plain system calls on numbers. Everything above STREAM_FD is closed, even if something in the copied
    // memory owns it: that memory is never used to close it again, because the process ends by `_exit`.
    unsafe {
        libc::setsid();
        let own = libc::fcntl(stream.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
        let null = libc::fcntl(null.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
        for number in 0..STREAM_FD {
            libc::dup2(null, number);
        }
        libc::dup3(own, STREAM_FD, libc::O_CLOEXEC);
        libc::syscall(libc::SYS_close_range, STREAM_FD + 1, u32::MAX, 0);
        libc::chdir(c"/".as_ptr());
        usual_umask_and_signals();
        libc::prctl(libc::PR_SET_NAME, c"rbuild-monitor".as_ptr());
        UnixStream::from_raw_fd(STREAM_FD)
    }
}
