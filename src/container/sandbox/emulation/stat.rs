//! Queries about files: returns owners, modes and devices as recorded.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::{Errno, Result};

use super::call::{Answer, Call, DONE, Reply};
use super::paths::{HERE, Path};
use super::process_files;
use super::programs::Programs;
use super::trace::bytes_of;
use super::user::{Credentials, EFFECTIVE, OF_FILES, REAL};

pub(super) fn stat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    tell(programs, call, &found, 1)
}

pub(super) fn lstat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), libc::AT_SYMLINK_NOFOLLOW)?;
    tell(programs, call, &found, 1)
}

pub(super) fn fstat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.descriptor(call, call.int(0))?;
    tell(programs, call, &found, 1)
}

pub(super) fn newfstatat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(3))?;
    tell(programs, call, &found, 2)
}

fn tell(programs: &Programs, call: &Call, found: &OwnedFd, argument: usize) -> Reply {
    call.write(argument, bytes_of(&programs.stat(found)?))?;
    DONE
}

pub(super) fn statx(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(2))?;
    let wanted = StatxFlags::from_bits_retain(call.int(3) as u32) | StatxFlags::BASIC_STATS;
    let mut answer = rustix::fs::statx(&found, c"", AtFlags::EMPTY_PATH, wanted)?;
    let seen = programs.stat(&found)?;
    answer.stx_mode = seen.st_mode as u16;
    (answer.stx_uid, answer.stx_gid) = (seen.st_uid, seen.st_gid);
    (answer.stx_rdev_major, answer.stx_rdev_minor) = (rustix::fs::major(seen.st_rdev), rustix::fs::minor(seen.st_rdev));
    call.write(4, bytes_of(&answer))?;
    DONE
}

pub(super) fn access(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    may(programs, call, &found, call.int(1), 0)
}

pub(super) fn faccessat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), 0)?;
    may(programs, call, &found, call.int(2), 0)
}

pub(super) fn faccessat2(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(3))?;
    may(programs, call, &found, call.int(2), call.int(3))
}

fn may(programs: &Programs, call: &Call, found: &OwnedFd, wanted: i32, flags: i32) -> Reply {
    if wanted & !7 != 0 {
        return Err(Errno::INVAL);
    }
    let mut credentials: Credentials = programs.credentials(call)?;
    let which = if flags & libc::AT_EACCESS == 0 { REAL } else { EFFECTIVE };
    credentials.uid[OF_FILES] = credentials.uid[which];
    credentials.gid[OF_FILES] = credentials.gid[which];
    match credentials.may(&programs.stat(found)?, wanted as u32) {
        true => DONE,
        false => Err(Errno::ACCESS),
    }
}

pub(super) fn readlink(programs: &mut Programs, call: &Call) -> Reply {
    read_link(programs, call, (HERE, 0), (1, 2))
}

pub(super) fn readlinkat(programs: &mut Programs, call: &Call) -> Reply {
    read_link(programs, call, (call.int(0), 1), (2, 3))
}

fn read_link(programs: &Programs, call: &Call, place: (i32, usize), (buffer, size): (usize, usize)) -> Reply {
    let size = call.arguments[size] as u32 as usize;
    if size == 0 || size > i32::MAX as usize {
        return Err(Errno::INVAL);
    }
    let target = target(programs, call, place)?;
    let told = &target[..target.len().min(size)];
    call.write(buffer, told)?;
    Ok(Answer::Value(told.len() as i64))
}

fn target(programs: &Programs, call: &Call, (folder, argument): (i32, usize)) -> Result<Vec<u8>> {
    let text = call.text(argument)?;
    if let Some(target) = process_files::link(programs, call, &text) {
        return Ok(target);
    }
    let handle = match text.is_empty() {
        true => programs.descriptor(call, folder)?,
        false => {
            let path = programs.path(call, folder, text)?;
            let (path, found) = programs.resolved(call, path, false);
            if let Path::OfProcess(host) | Path::Link { host, .. } = &path {
                let target = rustix::fs::readlink(host.as_slice(), Vec::new())?.into_bytes();
                return Ok(programs.root.inside(&target).unwrap_or(target));
            }
            found?
        }
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode) != FileType::Symlink {
        return Err(Errno::INVAL);
    }
    Ok(rustix::fs::readlinkat(handle, c"", Vec::new())?.into_bytes())
}
