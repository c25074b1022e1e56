//! What a process shows of the command line that it comes from. Everybody on the machine can read it
//! (proc_pid_cmdline(5)), and there may be a password in what was typed: who outlives the command does not go on showing it.

use std::ops::Range;

/// Puts a name in place of this process's arguments, as far as there is room for it.
///
/// To be called in a forked child that reads no arguments any more: `std::env::args` sees what is put there. Where the
/// kernel does not say where they are, nothing is done.
pub(super) fn replace_arguments(name: &str) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let Some(place) = place(&stat) else { return };
    // A kernel whose two answers are not about the same bytes is not believed.
    if std::fs::read("/proc/self/cmdline").is_ok_and(|shown| shown.len() != place.len()) {
        return;
    }
    let mut text = vec![0; place.len()];
    // The last byte stays zero: otherwise the kernel looks for the end in what lies behind it, the environment.
    for (to, from) in text[..place.len() - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: the kernel names the bytes of its own copy of the arguments, which are on this process's stack, above all
    // frames, and writable. This is a forked child with one thread, and nothing borrows them.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place.start as *mut u8, text.len()) };
}

/// Where a process's arguments are (`arg_start` and `arg_end` of proc_pid_stat(5)). Zeroes where that is kept back.
fn place(stat: &str) -> Option<Range<usize>> {
    /// The number of `arg_start`; the name of the program, which may have anything in it, is the second.
    const START: usize = 48;
    const AFTER_NAME: usize = 3;
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(START - AFTER_NAME).map(str::parse);
    let (start, end) = (fields.next()?.ok()?, fields.next()?.ok()?);
    (0 < start && start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_where_they_are() {
        let of_this = std::fs::read_to_string("/proc/self/stat").unwrap();
        let found = place(&of_this).expect("a process sees its own");
        assert_eq!(found.len(), std::fs::read("/proc/self/cmdline").unwrap().len());
    }

    #[test]
    fn what_is_not_said_is_nowhere() {
        let line = |start: &str, end: &str| format!("1 (a ) 9 b) S {}{start} {end} 0 0 0", "7 ".repeat(44));
        assert_eq!(place(&line("100", "120")), Some(100..120));
        for (start, end) in [("0", "0"), ("120", "100"), ("100", "100"), ("x", "120")] {
            assert_eq!(place(&line(start, end)), None, "{start} {end}");
        }
        assert_eq!(place(""), None);
        assert_eq!(place("1 (a) S 1 2"), None);
    }
}
