//! Locks on single bytes of a file that belong to a process (fcntl(2), `F_SETLK`). The kernel reports who holds a lock,
//! and releases the locks of a process that ends; a forked child has none of them.
//!
//! A process that closes any descriptor of a file loses all its locks on it: it must not open the file a second time.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// A byte that is locked by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    /// Not positive if the process is in a PID namespace that this one can't see.
    pub(super) pid: i32,
    pub(super) byte: i64,
}

/// Locks a byte, which others may lock too.
pub(super) fn hold(file: &File, byte: i64) -> io::Result<()> {
    call(file, libc::F_SETLK, lock(libc::F_RDLCK, byte, 1)).map(drop)
}

pub(super) fn let_go(file: &File, byte: i64) -> io::Result<()> {
    call(file, libc::F_SETLK, lock(libc::F_UNLCK, byte, 1)).map(drop)
}

/// One of the other processes that have locked any of `count` bytes from `first` on; of all that follow if 0.
pub(super) fn holder(file: &File, first: i64, count: i64) -> io::Result<Option<Holder>> {
    let found = call(file, libc::F_GETLK, lock(libc::F_WRLCK, first, count))?;
    let is_held = i32::from(found.l_type) != libc::F_UNLCK;
    Ok(is_held.then_some(Holder { pid: found.l_pid, byte: found.l_start }))
}

fn lock(kind: i32, first: i64, count: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: first,
        l_len: count,
        l_pid: 0,
    }
}

fn call(file: &File, command: i32, mut lock: libc::flock) -> io::Result<libc::flock> {
    // SAFETY: both commands take a `struct flock`, which F_GETLK also writes to; it is owned here.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == 0 { Ok(lock) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_are_not_in_ones_way() {
        let file = tempfile::tempfile().unwrap();
        hold(&file, 0).unwrap();
        hold(&file, 17).unwrap();
        assert_eq!(holder(&file, 0, 0).unwrap(), None);
        let_go(&file, 17).unwrap();
    }

    #[test]
    fn a_child_sees_who_has_which() {
        let file = tempfile::NamedTempFile::new().unwrap();
        hold(file.as_file(), 17).unwrap();
        let words = "import fcntl,struct,sys\n\
                     asked=struct.pack('hhqqi',fcntl.F_WRLCK,0,int(sys.argv[2]),0,0)\n\
                     kind,_,start,_,pid=struct.unpack('hhqqi',fcntl.fcntl(open(sys.argv[1],'r+'),fcntl.F_GETLK,asked))\n\
                     print(kind!=fcntl.F_UNLCK,start,pid)";
        let ask = |first: &str| {
            let mut command = std::process::Command::new("python3");
            command.args(["-c", words]).arg(file.path()).arg(first).output().ok()
        };
        // Skipped without python3.
        let Some(seen) = ask("1") else { return };
        let expected = format!("True 17 {}\n", std::process::id());
        assert_eq!(String::from_utf8_lossy(&seen.stdout), expected, "{}", String::from_utf8_lossy(&seen.stderr));
        assert!(String::from_utf8_lossy(&ask("18").unwrap().stdout).starts_with("False"));
    }
}
