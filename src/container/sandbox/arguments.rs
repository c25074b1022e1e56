//! Overwrites a process's command line. Every user of the machine can read it (proc_pid_cmdline(5)), and it may contain
//! a password: a process that outlives the command must not keep showing it.

use std::ops::Range;

/// Overwrites this process's arguments with a name, as far as it fits.
///
/// For forked children that no longer read arguments: `std::env::args` sees the new text. Does nothing if the kernel
/// does not say where the arguments are.
pub(super) fn replace_arguments(name: &str) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let Some(place) = place(&stat) else { return };
    // If the kernel's two answers differ in length, they are not about the same bytes.
    if std::fs::read("/proc/self/cmdline").is_ok_and(|shown| shown.len() != place.len()) {
        return;
    }
    let mut text = vec![0; place.len()];
    // The last byte stays zero: otherwise the kernel would look for the end in the environment, which follows.
    for (to, from) in text[..place.len() - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: the kernel names the bytes of its own copy of the arguments, which are on this process's stack, above all
    // frames, and writable. This is a forked child with one thread, and nothing borrows them.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place.start as *mut u8, text.len()) };
}

/// The address range of a process's arguments (`arg_start`, `arg_end` of proc_pid_stat(5)); zeros if denied.
fn place(stat: &str) -> Option<Range<usize>> {
    /// The field number of `arg_start`; the second field is the program's name, which may contain anything.
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
