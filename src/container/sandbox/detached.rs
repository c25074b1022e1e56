//! A process beside this one that outlives it: not of its session, with none of its files.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::arguments::replace_arguments;
use crate::base::identity::{self, Identity};

/// Where the child finds its end of the stream.
const STREAM_FD: i32 = 3;

/// Forks a child that does `work` and ends; gives this side of a stream between both.
///
/// The child has no other descriptor, `/` as its working folder, and a session of its own, so that neither the end of
/// this process nor a key typed at its terminal ends it; and it does not show what this process was called with. It goes
/// on with what this process has in memory, so nothing comes of it once there is a second thread: what that one was doing
/// would never be finished, and [`execute_detached`] is for such a process.
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
            // A panic must not unwind into what the parent was doing.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(stream)));
            // SAFETY: ends this process at once: nothing of the parent's is flushed or closed twice.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(Some(ours)),
    }
}

/// Executes rbuild to be what `identity` says, as such a child; gives this side of a stream whose other side
/// [`take_stream`] takes there.
pub fn execute_detached(identity: Identity) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(identity::program()?);
    command.arg0(identity.name()).current_dir("/");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let leave = || {
        // SAFETY: plain system calls on numbers. Whatever the program that uses this library has left open closes itself
        // when the child is executed.
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
    // Of a process that lives longer it would stay as a zombie.
    std::thread::spawn(move || child.wait());
    Ok(ours)
}

/// This process's end of the stream, where it was executed to be what `identity` says. No program that it starts has it.
pub fn take_stream(identity: Identity) -> io::Result<UnixStream> {
    let stream = io::stdin().as_fd().try_clone_to_owned()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let name = CString::new(identity.name())?;
    // SAFETY: the kernel copies the name.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    Ok(UnixStream::from(stream))
}

/// Lets a program that makes things for other users begin with the umask that services have: this process's own lets
/// nobody else look into what is made.
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
    // SAFETY: plain system calls on numbers. Everything above STREAM_FD is closed, whoever in the copied memory had it:
    // that memory is never used to close it again, for the process ends by `_exit`.
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
