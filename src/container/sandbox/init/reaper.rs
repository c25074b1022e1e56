//! The small init of `--init`: process 1, which reaps zombies, forwards signals, and ends with the program's exit code.

use std::ffi::OsString;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::ptr;

use rustix::event::{PollFd, PollFlags, poll};

use super::doing::{Doing, Result};
use super::own;
use crate::container::sandbox::channel::{Channel, NETWORK_FD};
use crate::container::sandbox::mount_api::last_errno;
use crate::container::sandbox::running::END_ALL;

/// Forks. Returns in the child, which becomes the program; process 1 stays here until it ends. `forget` lets process 1
/// drop what only the program's side may hold.
pub(super) fn split(forget: impl FnOnce() -> Result<()>) -> Result<()> {
    block_all_signals();
    // SAFETY: this process has one thread, so the child may continue with anything.
    match unsafe { libc::fork() } {
        0 => {
            lead_foreground();
            unblock_all_signals();
            Ok(())
        }
        -1 => Err(last_errno()).doing("start", "the program beside its init"),
        child => {
            forget()?;
            // Programs write to process 1's streams, such as `/proc/1/fd/1`. It has no more rights than they have now.
            own::let_others_look();
            serve(child)
        }
    }
}

/// Forks. Returns in the child, which becomes a program without namespaces. The parent closes the channel and ends
/// after the program, or when it is told to ([`END_ALL`]), once all remaining processes of the program are killed.
/// Other signals are forwarded. For a guest, it also ends with its host, and finally releases the host's lock.
pub(super) fn split_and_end_all(channel: &mut Channel, is_guest: bool) -> Result<()> {
    block_all_signals();
    let signals = all_signals()?;
    // SAFETY: this process has one thread, so the child may continue with anything.
    match unsafe { libc::fork() } {
        0 => {
            // It dies with its parent, the other half of the fork.
            super::die_with_parent();
            Ok(())
        }
        -1 => Err(last_errno()).doing("start", "the program beside its init"),
        child => {
            channel.close();
            let signals = own::keep_only(signals, is_guest)?;
            // SAFETY: the descriptor at that number stays open until this process ends.
            let host = is_guest.then(|| unsafe { BorrowedFd::borrow_raw(NETWORK_FD) });
            let code = await_end(child, &signals, host);
            end_all();
            std::process::exit(code);
        }
    }
}

/// Reaps until the program has ended, the end is requested, or its host has ended. Returns the exit code.
fn await_end(child: i32, signals: &OwnedFd, host: Option<BorrowedFd<'_>>) -> i32 {
    const ENDED: i32 = 128 + libc::SIGKILL;
    loop {
        let mut polled = vec![PollFd::new(signals, PollFlags::IN)];
        polled.extend(host.map(|host| PollFd::from_borrowed_fd(host, PollFlags::IN)));
        // Never interrupted: all signals are blocked.
        let _ = poll(&mut polled, None);
        if polled.get(1).is_some_and(|host| !host.revents().is_empty()) {
            return ENDED;
        }
        let Some((signal, code)) = next_signal(signals) else { continue };
        match signal {
            libc::SIGCHLD => {
                if let Some(code) = reap_until(child) {
                    return code;
                }
            }
            signal if signal == END_ALL.as_raw() => return ENDED,
            // Signals from the kernel, because of a terminal's keys, are for the foreground process group.
            // SAFETY: a plain system call; it fails if the child is gone already, which is reaped next.
            signal if code <= 0 => unsafe {
                libc::kill(child, signal);
            },
            _ => {}
        }
    }
}

/// A descriptor for all signals of this process, which are blocked (signalfd(2)).
fn all_signals() -> Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set before it is read; the descriptor is new and has no other owner.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(last_errno()).doing("wait for", "signals"),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// The number of the next signal, and its `si_code`: it is from the kernel if that is above 0.
fn next_signal(signals: &OwnedFd) -> Option<(i32, i32)> {
    let mut information = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the kernel writes at most that many bytes, which are a whole structure of numbers.
    unsafe {
        let length = libc::read(signals.as_raw_fd(), information.as_mut_ptr().cast(), size);
        if length != size as isize {
            return None;
        }
        let information = information.assume_init();
        Some((information.ssi_signo as i32, information.ssi_code))
    }
}

/// Kills every process that the program has started, however it is hidden: orphans become children of this process.
/// Returns when there are none.
fn end_all() {
    loop {
        for pid in children() {
            // SAFETY: a plain system call on the PID of a child that is not reaped yet.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let mut status = 0;
        // SAFETY: waitpid writes to the integer it is given.
        if unsafe { libc::waitpid(-1, &raw mut status, 0) } < 0 {
            return;
        }
    }
}

/// From the kernel's list, or from all processes if there is no list.
fn children() -> Vec<i32> {
    let own = std::process::id();
    if let Ok(list) = std::fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return list.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    }
    let is_child = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        parent.is_some_and(|parent| parent.trim().parse() == Ok(own))
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// Runs a program as its init, in a container of another runtime. If it can't be run, the exit code is a shell's.
pub(super) fn serve_program(mut words: impl Iterator<Item = OsString>) -> u8 {
    let Some(program) = words.next() else { return 127 };
    let failure = match split(|| Ok(())) {
        Ok(()) => std::process::Command::new(&program).args(words).exec(),
        Err(error) => std::io::Error::other(error),
    };
    // There is no channel here: the error goes to the program's stderr.
    let _ = writeln!(std::io::stderr(), "rbuild-init: {}: {failure}", program.display());
    if failure.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Creates a process group, so that Ctrl-C reaches the program once, and not again through process 1.
fn lead_foreground() {
    // SAFETY: plain system calls on numbers. Without a terminal the second one fails, which is harmless; SIGTTOU, which
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
            // SAFETY: a plain system call; it fails if the child is gone already, which is reaped next.
            other => unsafe {
                libc::kill(child, other);
            },
        }
    }
}

/// Reaps all children that have ended. Exits, and so ends the container, if the program is among them.
fn reap(child: i32) {
    if let Some(code) = reap_until(child) {
        std::process::exit(code);
    }
}

/// Reaps all children that have ended. Returns the program's exit code if it is among them.
fn reap_until(child: i32) -> Option<i32> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid writes to the integer it is given.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return None;
        }
        if pid == child {
            return Some(match libc::WIFSIGNALED(status) {
                true => 128 + libc::WTERMSIG(status),
                false => libc::WEXITSTATUS(status),
            });
        }
    }
}

pub(super) fn block_all_signals() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set before it is read.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
    }
}

/// The program starts with no signal blocked, and with all default actions (the Rust runtime ignores SIGPIPE).
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
