//! A process that mostly waits need not keep the pages of its program's code: the kernel has them in its cache.

use std::io;

/// Lets go of the code's pages; those that are needed again come back by themselves. Their number is what a process that
/// waits is seen to use (the resident set size), of which most is code that ran once.
pub fn forget_code() -> io::Result<()> {
    for (start, length) in code(&std::fs::read_to_string("/proc/self/maps")?) {
        // SAFETY: of a private mapping that is not writable, a page that is dropped is read from its file again (madvise(2)).
        // The linker's relocations, which would be lost so, are never in memory that is executable.
        if unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Address and length of what is executed from a file, of lines as in proc_pid_maps(5).
fn code(maps: &str) -> Vec<(usize, usize)> {
    let range = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let is_code = words.next() == Some("r-xp") && words.nth(3)?.starts_with('/');
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        is_code.then(|| (start, end.saturating_sub(start)))
    };
    maps.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_is_executed_from_a_file() {
        let maps = "\
            00200000-003ff000 r--p 00000000 fe:00 77 /usr/bin/rbuild\n\
            003ff000-00401000 r-xp 001fe000 fe:00 77 /usr/bin/rbuild\n\
            00401000-00402000 rw-p 00dfe000 fe:00 77 /usr/bin/rbuild\n\
            7fff1000-7fff3000 r-xp 00000000 00:00 0 [vdso]\n";
        assert_eq!(code(maps), [(0x3f_f000, 0x2000)]);
    }

    #[test]
    fn a_process_goes_on_without_its_code() {
        forget_code().unwrap();
        assert_eq!(code(""), []);
    }
}
