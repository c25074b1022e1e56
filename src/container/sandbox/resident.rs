//! Reduces the memory of a process that mostly waits.

use std::fs;

/// Drops the program's code from this process's memory. Pages that are needed again are mapped from the page cache,
/// where other processes have them too; so this is for a process that has little left to do.
pub fn let_go_of_code() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(code_of) {
        // SAFETY: the range is a private, read-only mapping of a file: it has nothing that is not in the file, so the
        // kernel reads it again unchanged (madvise(2), MADV_DONTNEED). This fails only if it is not mapped, and then
        // nothing is lost.
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(start), end - start, libc::MADV_DONTNEED);
        }
    }
}

/// The range of a line of proc_pid_maps(5) that is a file's code. Other read-only parts may have been changed earlier.
fn code_of(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let file = fields.nth(3)?;
    if rights != "r-xp" || !file.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    let range = (number(start)?, number(end)?);
    (range.0 < range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files() {
        let code = "00401000-00c00000 r-xp 00001000 fe:00 12 /usr/bin/rbuild";
        assert_eq!(code_of(code), Some((0x40_1000, 0xc0_0000)));
        for other in [
            code.replace("r-xp", "rw-p"),
            code.replace("r-xp", "r--p"),
            code.replace("r-xp", "r-xs"),
            code.replace("/usr/bin/rbuild", "[vdso]"),
            code.replace(" /usr/bin/rbuild", ""),
        ] {
            assert_eq!(code_of(&other), None, "{other}");
        }
    }

    #[test]
    fn the_program_goes_on() {
        let_go_of_code();
        assert_eq!(std::hint::black_box("still").len(), 5);
    }
}
