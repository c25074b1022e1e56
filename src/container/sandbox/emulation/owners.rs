//! Owners, modes and times of files: what this process can't set is recorded.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::{Errno, Result};

use super::call::{Call, DONE, Reply};
use super::paths::{HERE, WRITE};
use super::programs::Programs;
use super::root::name_of;
use super::user::OF_FILES;
use crate::base::foreign;

/// The part of a mode that is set directly when a file is created; the rest is recorded.
pub(super) fn kept_mode(kind: FileType, mode: u32) -> u32 {
    mode & 0o777 | if kind == FileType::Directory { 0o700 } else { 0o600 }
}

impl Programs {
    fn set_mode(&mut self, call: &Call, found: &OwnedFd, mode: u32) -> Reply {
        let (stat, credentials) = (self.stat(found)?, self.credentials(call)?);
        if !credentials.owns(&stat) {
            return Err(Errno::PERM);
        }
        let mut mode = mode & 0o7777;
        if !credentials.overrides_modes() && !credentials.is_in(stat.st_gid) {
            mode &= !libc::S_ISGID;
        }
        match FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode) {
            FileType::RegularFile | FileType::Directory => foreign::set_mode_of(found, Mode::from_raw_mode(mode))?,
            FileType::Symlink => return Err(Errno::OPNOTSUPP),
            _ => rustix::fs::chmod(name_of(found), Mode::from_raw_mode(mode))?,
        }
        DONE
    }

    fn set_owner(&mut self, call: &Call, found: &OwnedFd, (uid, gid): (u32, u32)) -> Reply {
        const KEEP: u32 = u32::MAX;
        let (stat, credentials) = (self.stat(found)?, self.credentials(call)?);
        if !credentials.overrides_modes() {
            let is_own = stat.st_uid == credentials.uid[OF_FILES];
            let may_user = uid == KEEP || is_own && uid == stat.st_uid;
            let may_group = gid == KEEP || is_own && credentials.is_in(gid);
            if !may_user || !may_group {
                return Err(Errno::PERM);
            }
        }
        let owner = if uid == KEEP { stat.st_uid } else { uid };
        let group = if gid == KEEP { stat.st_gid } else { gid };
        match FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode) {
            FileType::RegularFile | FileType::Directory => {
                foreign::set_owner_of(found, Uid::from_raw(owner), Gid::from_raw(group))?;
            }
            FileType::Symlink | FileType::Fifo if self.root.may_hold(&stat) => {
                self.links.set(stat.st_ino, (owner, group))
            }
            // Something without a name, or a socket, which no layer contains.
            _ => {}
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            // As in the kernel, also for root (chown(2)).
            let group_bit = if stat.st_mode & libc::S_IXGRP == 0 { 0 } else { libc::S_ISGID };
            let lost = stat.st_mode & (libc::S_ISUID | group_bit);
            if lost != 0 {
                foreign::set_mode_of(found, Mode::from_raw_mode(stat.st_mode & 0o7777 & !lost))?;
            }
            super::attributes::forget_capabilities(found);
        }
        // The change time is updated, as by a real change.
        touch(found);
        DONE
    }

    fn set_times(&mut self, call: &Call, found: &OwnedFd, times: &Timestamps) -> Reply {
        let (stat, credentials) = (self.stat(found)?, self.credentials(call)?);
        let is_now = times.last_access.tv_nsec == libc::UTIME_NOW && times.last_modification.tv_nsec == libc::UTIME_NOW;
        if !(credentials.owns(&stat) || is_now && credentials.may(&stat, WRITE)) {
            return Err(if is_now { Errno::ACCESS } else { Errno::PERM });
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => rustix::fs::utimensat(found, c"", times, AtFlags::EMPTY_PATH)?,
            _ => rustix::fs::utimensat(rustix::fs::CWD, name_of(found), times, AtFlags::empty())?,
        }
        DONE
    }
}

/// A link's owner is recorded elsewhere; the link counts as changed all the same.
fn touch(found: &OwnedFd) {
    let omit = || Timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT };
    let times = Timestamps { last_access: omit(), last_modification: omit() };
    let _ = rustix::fs::utimensat(found, c"", &times, AtFlags::EMPTY_PATH);
}

pub(super) fn chmod(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    programs.set_mode(call, &found, call.int(1) as u32)
}

pub(super) fn fchmod(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.descriptor(call, call.int(0))?;
    programs.set_mode(call, &found, call.int(1) as u32)
}

pub(super) fn fchmodat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), 0)?;
    programs.set_mode(call, &found, call.int(2) as u32)
}

pub(super) fn fchmodat2(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(3))?;
    programs.set_mode(call, &found, call.int(2) as u32)
}

pub(super) fn chown(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    programs.set_owner(call, &found, (call.int(1) as u32, call.int(2) as u32))
}

pub(super) fn lchown(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), libc::AT_SYMLINK_NOFOLLOW)?;
    programs.set_owner(call, &found, (call.int(1) as u32, call.int(2) as u32))
}

pub(super) fn fchown(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.descriptor(call, call.int(0))?;
    programs.set_owner(call, &found, (call.int(1) as u32, call.int(2) as u32))
}

pub(super) fn fchownat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(4))?;
    programs.set_owner(call, &found, (call.int(2) as u32, call.int(3) as u32))
}

/// `utimensat`: seconds and nanoseconds, twice.
pub(super) fn utimensat(programs: &mut Programs, call: &Call) -> Reply {
    let times = times(call, 2, 1)?;
    let found = match call.arguments[1] {
        0 => programs.descriptor(call, call.int(0))?,
        _ => programs.found(call, (call.int(0), 1), call.int(3))?,
    };
    programs.set_times(call, &found, &times)
}

pub(super) fn utimes(programs: &mut Programs, call: &Call) -> Reply {
    let times = times(call, 1, 1000)?;
    let found = programs.found(call, (HERE, 0), 0)?;
    programs.set_times(call, &found, &times)
}

pub(super) fn futimesat(programs: &mut Programs, call: &Call) -> Reply {
    let times = times(call, 2, 1000)?;
    let found = match call.arguments[1] {
        0 => programs.descriptor(call, call.int(0))?,
        _ => programs.found(call, (call.int(0), 1), 0)?,
    };
    programs.set_times(call, &found, &times)
}

pub(super) fn utime(programs: &mut Programs, call: &Call) -> Reply {
    let times = match call.arguments[1] {
        0 => now(),
        address => {
            let [access, modification] = call.tracee.numbers::<2>(address)?;
            let of = |seconds: u64| Timespec { tv_sec: seconds as i64, tv_nsec: 0 };
            Timestamps { last_access: of(access), last_modification: of(modification) }
        }
    };
    let found = programs.found(call, (HERE, 0), 0)?;
    programs.set_times(call, &found, &times)
}

fn now() -> Timestamps {
    let now = || Timespec { tv_sec: 0, tv_nsec: libc::UTIME_NOW };
    Timestamps { last_access: now(), last_modification: now() }
}

fn times(call: &Call, argument: usize, nanoseconds: i64) -> Result<Timestamps> {
    let address = call.arguments[argument];
    if address == 0 {
        return Ok(now());
    }
    let [seconds, part, other_seconds, other_part] = call.tracee.numbers::<4>(address)?;
    let of =
        |seconds: u64, part: u64| Timespec { tv_sec: seconds as i64, tv_nsec: (part as i64).wrapping_mul(nanoseconds) };
    Ok(Timestamps { last_access: of(seconds, part), last_modification: of(other_seconds, other_part) })
}
