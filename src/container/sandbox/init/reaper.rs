//! The small init of `--init`: process 1 that reaps zombies, passes signals on, and ends as the program ends.

use std::ffi::OsString;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt as _;
use std::ptr;

use super::{Doing, Result, own};
use crate::container::sandbox::mount_api::last_errno;

/// Splits in two. Returns in the child, which is to become the program; process 1 stays here until it ends.
/// `forget` lets process 1 give up what only the program's side may hold.
pub(super) fn split(forget: impl FnOnce() -> Result<()>) -> Result<()> {
    block_all_signals();
    // SAFETY: this process has one thread, so the child may go on with anything.
    match unsafe { libc::fork() } {
        0 => {
            lead_foreground();
            unblock_all_signals();
            Ok(())
        }
        -1 => Err(last_errno()).doing("start", "the program beside its init"),
        child => {
            forget()?;
            // Programs write to process 1's streams, as to `/proc/1/fd/1`. It has no more rights than they have now.
            own::let_others_look();
            serve(child)
        }
    }
}

/// Runs a program as its init, in a container that another runtime has made. The exit code of one that can't be run is
/// a shell's.
pub(super) fn serve_program(mut words: impl Iterator<Item = OsString>) -> u8 {
    let Some(program) = words.next() else { return 127 };
    let failure = match split(|| Ok(())) {
        Ok(()) => std::process::Command::new(&program).args(words).exec(),
        Err(error) => std::io::Error::other(error),
    };
    // There is no channel here: whoever reads the program's errors is told.
    let _ = writeln!(std::io::stderr(), "rbuild-init: {}: {failure}", program.display());
    if failure.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
}

/// A process group of its own, so that Ctrl-C reaches the program once and not through process 1 again.
fn lead_foreground() {
    // SAFETY: plain system calls on numbers. Without a terminal the second fails, and nothing is lost; SIGTTOU, which
    // it would raise in a background group, is blocked here.
    unsafe {
        libc::setpgid(0, 0);
        libc::tcsetpgrp(0, libc::getpid());
    }
}

fn serve(child: i32) -> ! {
    loop {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initialises the set, sigwaitinfo reads it; the information may be null.
        let signal = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            libc::sigwaitinfo(set.as_ptr(), ptr::null_mut())
        };
        match signal {
            libc::SIGCHLD => reap(child),
            -1 => {}
            // SAFETY: a plain system call; a child that is gone already makes it fail, and is reaped next.
            other => unsafe {
                libc::kill(child, other);
            },
        }
    }
}

/// Reaps all that ended. Ends this process, and with it the container, when it was the program.
fn reap(child: i32) {
    let mut status = 0;
    loop {
        // SAFETY: waitpid writes to the integer it is given.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return;
        }
        if pid == child {
            let code = if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
            std::process::exit(code);
        }
    }
}

fn block_all_signals() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set before it is read.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
    }
}

/// The program starts with no signal blocked, and each with its default meaning (the Rust runtime ignores SIGPIPE).
pub(super) fn unblock_all_signals() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is read; signal takes numbers, and refuses those it can't set.
    unsafe {
        for number in 1..=libc::SIGRTMAX() {
            libc::signal(number, libc::SIG_DFL);
        }
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
    }
}
