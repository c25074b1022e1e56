//! Finds out why a program can't be executed, from inside of the container and with the program's rights.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::io::Errno;

use crate::container::sandbox::error::InitError;

/// How much of a file is read: the kernel also stops there when it looks for an interpreter.
const MOST_BYTES: usize = 4096;

/// The meaning of execve's error.
pub(super) fn executable(program: &OsStr, errno: Errno) -> InitError {
    let name = program.to_string_lossy().into_owned();
    match errno {
        Errno::NOENT if !Path::new(program).exists() => InitError::ProgramNotFound { program: name, path: None },
        Errno::NOTDIR => InitError::System { action: "find".to_owned(), subject: name, errno: errno.raw_os_error() },
        Errno::NOENT => {
            let interpreter = interpreter(Path::new(program)).unwrap_or_else(|| "its dynamic loader".to_owned());
            InitError::InterpreterNotFound { program: name, interpreter }
        }
        errno => InitError::NotExecutable { program: name, errno: errno.raw_os_error() },
    }
}

/// The interpreter in a script's first line, or in an ELF file's interpreter segment (elf(5)). The file may be
/// anything: this never blocks, and reads little.
fn interpreter(program: &Path) -> Option<String> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(program).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let read = |offset: usize, length: usize| {
        let mut bytes = vec![0; length.min(MOST_BYTES)];
        let count = file.read_at(&mut bytes, offset as u64).ok()?;
        bytes.truncate(count);
        Some(bytes)
    };
    let head = read(0, MOST_BYTES)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        return String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned);
    }
    let number = |offset: usize, width: usize| {
        let field = read(offset, width).filter(|field| field.len() == width)?;
        Some(field.iter().rev().fold(0usize, |value, byte| value << 8 | usize::from(*byte)))
    };
    if !head.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    const PT_INTERP: usize = 3;
    let segment = |index: usize| table.checked_add(index * size);
    let segment = (0..count).filter_map(segment).find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (offset, length) = (number(segment.checked_add(8)?, 8)?, number(segment.checked_add(32)?, 8)?);
    let text = read(offset, length)?;
    Some(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned())
}
