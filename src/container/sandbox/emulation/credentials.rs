//! A program's credentials: it becomes any user that root or its saved IDs allow, without the kernel's knowledge.

use rustix::io::{Errno, Result};

use super::call::{Answer, Call, DONE, Reply};
use super::programs::Programs;
use super::user::{Credentials, EFFECTIVE, OF_FILES, REAL, SAVED};
use crate::container::sandbox::CapabilitySet;

/// An argument that leaves an ID unchanged.
const KEEP: u32 = u32::MAX;
/// `_LINUX_CAPABILITY_VERSION_3` (linux/capability.h).
const VERSION_3: u32 = 0x2008_0522;
/// The kernel's `NGROUPS_MAX`.
const MOST_GROUPS: u64 = 65536;

pub(super) fn umask(programs: &mut Programs, call: &Call) -> Reply {
    let umask = &programs.task(call.tracee)?.umask;
    Ok(Answer::Value(umask.replace(call.int(0) as u32 & 0o777).into()))
}

pub(super) fn getuid(programs: &mut Programs, call: &Call) -> Reply {
    Ok(Answer::Value(programs.task(call.tracee)?.credentials.uid[REAL].into()))
}

pub(super) fn geteuid(programs: &mut Programs, call: &Call) -> Reply {
    Ok(Answer::Value(programs.task(call.tracee)?.credentials.uid[EFFECTIVE].into()))
}

pub(super) fn getgid(programs: &mut Programs, call: &Call) -> Reply {
    Ok(Answer::Value(programs.task(call.tracee)?.credentials.gid[REAL].into()))
}

pub(super) fn getegid(programs: &mut Programs, call: &Call) -> Reply {
    Ok(Answer::Value(programs.task(call.tracee)?.credentials.gid[EFFECTIVE].into()))
}

pub(super) fn getresuid(programs: &mut Programs, call: &Call) -> Reply {
    tell(call, programs.task(call.tracee)?.credentials.uid)
}

pub(super) fn getresgid(programs: &mut Programs, call: &Call) -> Reply {
    tell(call, programs.task(call.tracee)?.credentials.gid)
}

fn tell(call: &Call, ids: [u32; 4]) -> Reply {
    for (argument, id) in ids[..3].iter().enumerate() {
        call.write(argument, &id.to_ne_bytes())?;
    }
    DONE
}

pub(super) fn getgroups(programs: &mut Programs, call: &Call) -> Reply {
    let groups = programs.task(call.tracee)?.credentials.groups.clone();
    match call.int(0) {
        0 => {}
        ..0 => return Err(Errno::INVAL),
        count if (count as usize) < groups.len() => return Err(Errno::INVAL),
        _ => call.write(1, &groups.iter().flat_map(|group| group.to_ne_bytes()).collect::<Vec<u8>>())?,
    }
    Ok(Answer::Value(groups.len() as i64))
}

pub(super) fn setgroups(programs: &mut Programs, call: &Call) -> Reply {
    if !programs.credentials(call)?.is_root() {
        return Err(Errno::PERM);
    }
    if call.arguments[0] > MOST_GROUPS {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; call.arguments[0] as usize * 4];
    call.tracee.read(call.arguments[1], &mut bytes)?;
    let number = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().unwrap_or_default());
    programs.task(call.tracee)?.credentials.groups = bytes.chunks_exact(4).map(number).collect();
    DONE
}

/// Changes IDs of one kind. Programs that are not root may only choose among those they have.
fn set(
    programs: &mut Programs,
    call: &Call,
    which: fn(&mut Credentials) -> &mut [u32; 4],
    wanted: impl FnOnce([u32; 4], bool) -> Result<[u32; 3]>,
) -> Reply {
    let credentials = &mut programs.task(call.tracee)?.credentials;
    let is_root = credentials.is_root();
    let ids = which(credentials);
    let [real, effective, saved] = wanted(*ids, is_root)?;
    *ids = [real, effective, saved, effective];
    DONE
}

fn users(credentials: &mut Credentials) -> &mut [u32; 4] {
    &mut credentials.uid
}

fn groups(credentials: &mut Credentials) -> &mut [u32; 4] {
    &mut credentials.gid
}

fn one(call: &Call) -> impl FnOnce([u32; 4], bool) -> Result<[u32; 3]> {
    let id = call.int(0) as u32;
    move |ids, is_root| match is_root {
        _ if id == KEEP => Err(Errno::INVAL),
        true => Ok([id; 3]),
        false if id == ids[REAL] || id == ids[SAVED] => Ok([ids[REAL], id, ids[SAVED]]),
        false => Err(Errno::PERM),
    }
}

fn two(call: &Call) -> impl FnOnce([u32; 4], bool) -> Result<[u32; 3]> {
    let (real, effective) = (call.int(0) as u32, call.int(1) as u32);
    move |ids, is_root| {
        let may_real = [KEEP, ids[REAL], ids[EFFECTIVE]].contains(&real);
        let may_effective = [KEEP, ids[REAL], ids[EFFECTIVE], ids[SAVED]].contains(&effective);
        if !(is_root || may_real && may_effective) {
            return Err(Errno::PERM);
        }
        let or = |id: u32, before: u32| if id == KEEP { before } else { id };
        let now = or(effective, ids[EFFECTIVE]);
        let changes_saved = real != KEEP || effective != KEEP && effective != ids[REAL];
        Ok([or(real, ids[REAL]), now, if changes_saved { now } else { ids[SAVED] }])
    }
}

fn three(call: &Call) -> impl FnOnce([u32; 4], bool) -> Result<[u32; 3]> {
    let wanted = [call.int(0) as u32, call.int(1) as u32, call.int(2) as u32];
    move |ids, is_root| {
        let known = |id: &u32| *id == KEEP || ids[..3].contains(id);
        if !is_root && !wanted.iter().all(known) {
            return Err(Errno::PERM);
        }
        Ok([0, 1, 2].map(|at| if wanted[at] == KEEP { ids[at] } else { wanted[at] }))
    }
}

pub(super) fn setuid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, users, one(call))
}

pub(super) fn setgid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, groups, one(call))
}

pub(super) fn setreuid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, users, two(call))
}

pub(super) fn setregid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, groups, two(call))
}

pub(super) fn setresuid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, users, three(call))
}

pub(super) fn setresgid(programs: &mut Programs, call: &Call) -> Reply {
    set(programs, call, groups, three(call))
}

pub(super) fn setfsuid(programs: &mut Programs, call: &Call) -> Reply {
    set_of_files(programs, call, users)
}

pub(super) fn setfsgid(programs: &mut Programs, call: &Call) -> Reply {
    set_of_files(programs, call, groups)
}

/// Returns the former ID, whether or not it was changed.
fn set_of_files(programs: &mut Programs, call: &Call, which: fn(&mut Credentials) -> &mut [u32; 4]) -> Reply {
    let credentials = &mut programs.task(call.tracee)?.credentials;
    let is_root = credentials.is_root();
    let (ids, wanted) = (which(credentials), call.int(0) as u32);
    let before = ids[OF_FILES];
    if wanted != KEEP && (is_root || ids.contains(&wanted)) {
        ids[OF_FILES] = wanted;
    }
    Ok(Answer::Value(before.into()))
}

/// Root has docker's default capabilities; the kernel would report none.
pub(super) fn capget(programs: &mut Programs, call: &Call) -> Reply {
    let mut version = [0; 4];
    call.tracee.read(call.arguments[0], &mut version)?;
    if u32::from_ne_bytes(version) != VERSION_3 {
        call.write(0, &VERSION_3.to_ne_bytes())?;
        return if call.arguments[1] == 0 { DONE } else { Err(Errno::INVAL) };
    }
    if call.arguments[1] == 0 {
        return DONE;
    }
    let bits = if programs.credentials(call)?.is_root() { CapabilitySet::default().bits() } else { 0 };
    let (low, high) = ((bits as u32).to_ne_bytes(), ((bits >> 32) as u32).to_ne_bytes());
    // Effective, permitted and inheritable, for each half.
    call.write(1, &[low, low, [0; 4], high, high, [0; 4]].concat())?;
    DONE
}

/// Dropping capabilities has no effect: without rights there is nothing to lose.
pub(super) fn capset(_: &mut Programs, _: &Call) -> Reply {
    DONE
}
