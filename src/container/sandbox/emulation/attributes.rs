//! Extended attributes: file capabilities are stored under another name, and rbuild's own attributes are hidden.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{FileType, XattrFlags};
use rustix::io::{Errno, Result};

use super::call::{Answer, Call, DONE, Reply};
use super::paths::{HERE, READ, WRITE};
use super::programs::Programs;
use super::root::name_of;
use crate::base::foreign::{self, Handle};

/// The kernel's `XATTR_SIZE_MAX`.
const MOST_BYTES: u64 = 64 << 10;
const CAPABILITIES: &CStr = c"security.capability";

/// The file of an attribute call.
enum Of {
    Path { follows: bool },
    Descriptor,
}

impl Of {
    fn found(&self, programs: &Programs, call: &Call) -> Result<OwnedFd> {
        match self {
            Self::Path { follows: true } => programs.found(call, (HERE, 0), 0),
            Self::Path { follows: false } => programs.found(call, (HERE, 0), libc::AT_SYMLINK_NOFOLLOW),
            Self::Descriptor => programs.descriptor(call, call.int(0)),
        }
    }
}

/// The name in the argument, if it is visible to programs.
fn name(call: &Call) -> Result<CString> {
    let name = CString::new(call.text(1)?).map_err(|_| Errno::INVAL)?;
    let is_own =
        name.to_bytes().starts_with(b"user.overlay.") || foreign::meant_name(&name).is_none_or(|meant| *meant != *name);
    if is_own {
        return Err(Errno::OPNOTSUPP);
    }
    Ok(name)
}

fn is_kept(name: &CStr) -> bool {
    name.to_bytes().starts_with(b"user.") || name == CAPABILITIES
}

fn set(programs: &mut Programs, call: &Call, of: &Of) -> Reply {
    let (name, found) = (name(call)?, of.found(programs, call)?);
    check(programs, call, &found, &name, WRITE)?;
    if call.arguments[3] > MOST_BYTES {
        return Err(Errno::TOOBIG);
    }
    let mut value = vec![0; call.arguments[3] as usize];
    call.tracee.read(call.arguments[2], &mut value)?;
    let handle = handle(found);
    let flags = XattrFlags::from_bits_truncate(call.int(4) as u32);
    let is_there = handle.xattrs().map_err(errno)?.iter().any(|(known, _)| *known == name);
    match (flags.contains(XattrFlags::CREATE), flags.contains(XattrFlags::REPLACE)) {
        (true, _) if is_there => return Err(Errno::EXIST),
        (_, true) if !is_there => return Err(Errno::NODATA),
        _ => {}
    }
    handle.set_xattr(&name, &value).map_err(errno)?;
    DONE
}

fn get(programs: &mut Programs, call: &Call, of: &Of) -> Reply {
    let found = of.found(programs, call)?;
    let name = name(call).map_err(|_| Errno::NODATA)?;
    check(programs, call, &found, &name, READ)?;
    let all = handle(found).xattrs().map_err(errno)?;
    let value = all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value).ok_or(Errno::NODATA)?;
    tell(call, 2, &value)
}

fn list(programs: &mut Programs, call: &Call, of: &Of) -> Reply {
    let found = of.found(programs, call)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) == FileType::Symlink {
        return Ok(Answer::Value(0));
    }
    let all = handle(found).xattrs().map_err(errno)?;
    let names: Vec<u8> = all
        .iter()
        .filter(|(name, _)| is_kept(name) && !name.to_bytes().starts_with(b"user.overlay."))
        .flat_map(|(name, _)| name.as_bytes_with_nul().to_vec())
        .collect();
    tell(call, 1, &names)
}

fn remove(programs: &mut Programs, call: &Call, of: &Of) -> Reply {
    let (name, found) = (name(call)?, of.found(programs, call)?);
    check(programs, call, &found, &name, WRITE)?;
    let kept = foreign::kept_name(&name).into_owned();
    rustix::fs::removexattr(name_of(&found), &kept)?;
    DONE
}

fn check(programs: &Programs, call: &Call, found: &OwnedFd, name: &CStr, wanted: u32) -> Result<()> {
    let (stat, credentials) = (programs.stat(found)?, programs.credentials(call)?);
    match name.to_bytes() {
        b"security.capability" if wanted == READ || credentials.is_root() => Ok(()),
        b"security.capability" => Err(Errno::PERM),
        name if !name.starts_with(b"user.") => Err(Errno::OPNOTSUPP),
        _ if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory) => {
            Err(if wanted == READ { Errno::NODATA } else { Errno::PERM })
        }
        _ if credentials.may(&stat, wanted) => Ok(()),
        _ => Err(Errno::ACCESS),
    }
}

/// The kernel does the same when a file's owner changes.
pub(super) fn forget_capabilities(found: &OwnedFd) {
    let kept = foreign::kept_name(CAPABILITIES).into_owned();
    // Most files have none.
    let _ = rustix::fs::removexattr(name_of(found), &kept);
}

fn tell(call: &Call, argument: usize, bytes: &[u8]) -> Reply {
    match call.arguments[argument + 1] {
        0 => {}
        size if (size as usize) < bytes.len() => return Err(Errno::RANGE),
        _ => call.write(argument, bytes)?,
    }
    Ok(Answer::Value(bytes.len() as i64))
}

fn handle(found: OwnedFd) -> Handle {
    Handle::of_path(found, PathBuf::new())
}

fn errno(error: crate::base::io_error::IoError) -> Errno {
    error.errno().unwrap_or(Errno::IO)
}

pub(super) fn setxattr(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, &Of::Path { follows: true })
}

pub(super) fn lsetxattr(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, &Of::Path { follows: false })
}

pub(super) fn fsetxattr(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, &Of::Descriptor)
}

pub(super) fn getxattr(programs: &mut Programs, call: &Call) -> Reply {
    get(programs, call, &Of::Path { follows: true })
}

pub(super) fn lgetxattr(programs: &mut Programs, call: &Call) -> Reply {
    get(programs, call, &Of::Path { follows: false })
}

pub(super) fn fgetxattr(programs: &mut Programs, call: &Call) -> Reply {
    get(programs, call, &Of::Descriptor)
}

pub(super) fn listxattr(programs: &mut Programs, call: &Call) -> Reply {
    list(programs, call, &Of::Path { follows: true })
}

pub(super) fn llistxattr(programs: &mut Programs, call: &Call) -> Reply {
    list(programs, call, &Of::Path { follows: false })
}

pub(super) fn flistxattr(programs: &mut Programs, call: &Call) -> Reply {
    list(programs, call, &Of::Descriptor)
}

pub(super) fn removexattr(programs: &mut Programs, call: &Call) -> Reply {
    remove(programs, call, &Of::Path { follows: true })
}

pub(super) fn lremovexattr(programs: &mut Programs, call: &Call) -> Reply {
    remove(programs, call, &Of::Path { follows: false })
}

pub(super) fn fremovexattr(programs: &mut Programs, call: &Call) -> Reply {
    remove(programs, call, &Of::Descriptor)
}
