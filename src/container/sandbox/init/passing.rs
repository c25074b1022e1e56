//! Signals of a process that is beside a program: they are the program's.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::container::sandbox::running::END_ALL;

/// The program's process.
static PROGRAM: AtomicI32 = AtomicI32::new(0);

/// What the kernel sends to a process for its own faults, and what no process can catch.
const OWN: [i32; 9] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGCHLD,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// From now on. All are blocked before. What asks for the end of all ends the program, by which all the rest ends.
pub(super) fn pass_on_signals(program: i32) {
    PROGRAM.store(program, Ordering::Relaxed);
    let mut passed = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set and the action are initialised before they are read. What handles the signals makes one system call,
    // and leaves `errno` as it was.
    unsafe {
        libc::sigemptyset(passed.as_mut_ptr());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = pass_on as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigfillset(&raw mut action.sa_mask);
        for number in (1..=libc::SIGRTMAX()).filter(|number| !OWN.contains(number)) {
            // Those that the C library keeps for itself are refused.
            if libc::sigaction(number, &raw const action, ptr::null_mut()) == 0 {
                libc::sigaddset(passed.as_mut_ptr(), number);
            }
        }
        libc::sigprocmask(libc::SIG_UNBLOCK, passed.as_ptr(), ptr::null_mut());
    }
}

extern "C" fn pass_on(number: i32, information: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives the structure to a handler that asks for it; the rest is a system call on numbers.
    unsafe {
        let errno = *libc::__errno_location();
        let program = PROGRAM.load(Ordering::Relaxed);
        if number == END_ALL.as_raw() {
            libc::kill(program, libc::SIGKILL);
        } else if (*information).si_code <= 0 {
            // What the kernel sends, because of a terminal's keys, is for whoever is in the foreground there.
            libc::kill(program, number);
        }
        *libc::__errno_location() = errno;
    }
}
