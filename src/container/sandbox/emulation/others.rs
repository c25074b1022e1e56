//! Signals, priorities and sockets: programs only reach others that are traced here.

use rustix::io::{Errno, Result};
use rustix::process::Pid;

use super::call::{Answer, Call, Change, DONE, Reply};
use super::paths::{HERE, Path};
use super::programs::Programs;
use super::root;

/// `struct sockaddr_un` (unix(7)): the family, then the path.
const FAMILY_BYTES: usize = 2;
const MOST_ADDRESS: usize = 110;

pub(super) fn kill(programs: &mut Programs, call: &Call) -> Reply {
    let (target, signal) = (call.int(0), call.int(1));
    match target {
        // Its own process group consists of traced processes.
        0 => Ok(Answer::Native),
        1.. => known(programs, target),
        -1 => {
            let own = programs.task(call.tracee)?.process;
            let others: Vec<i32> = programs.tasks.values().map(|task| task.process).filter(|pid| *pid != own).collect();
            for pid in &others {
                send(*pid, signal)?;
            }
            if others.is_empty() { Err(Errno::SRCH) } else { DONE }
        }
        group => {
            let group = group.checked_neg().ok_or(Errno::SRCH)?;
            let is_of = |pid: &i32| {
                let found = rustix::process::getpgid(Pid::from_raw(*pid));
                found.is_ok_and(|found| found.as_raw_nonzero().get() == group)
            };
            if programs.tasks.keys().any(is_of) { Ok(Answer::Native) } else { Err(Errno::SRCH) }
        }
    }
}

fn send(pid: i32, signal: i32) -> Result<()> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    match rustix::process::Signal::from_named_raw(signal) {
        Some(signal) => rustix::process::kill_process(pid, signal),
        None if signal == 0 => Ok(()),
        None => Err(Errno::INVAL),
    }
}

fn known(programs: &Programs, thread: i32) -> Reply {
    if programs.tasks.contains_key(&thread) { Ok(Answer::Native) } else { Err(Errno::SRCH) }
}

pub(super) fn of_thread(programs: &mut Programs, call: &Call) -> Reply {
    known(programs, call.int(0))
}

/// The first argument is a PID.
pub(super) fn of_process(programs: &mut Programs, call: &Call) -> Reply {
    known(programs, call.int(0))
}

/// 0 is the thread itself.
pub(super) fn of_thread_or_own(programs: &mut Programs, call: &Call) -> Reply {
    if call.int(0) == 0 { Ok(Answer::Native) } else { known(programs, call.int(0)) }
}

pub(super) fn priority(programs: &mut Programs, call: &Call) -> Reply {
    of_some(programs, call, libc::PRIO_USER as i32)
}

pub(super) fn disk_priority(programs: &mut Programs, call: &Call) -> Reply {
    /// `IOPRIO_WHO_USER` (linux/ioprio.h).
    const OF_USER: i32 = 3;
    of_some(programs, call, OF_USER)
}

/// Only for a process or a group, not for all processes of the user, which include others.
fn of_some(programs: &Programs, call: &Call, of_user: i32) -> Reply {
    match (call.int(0), call.int(1)) {
        (kind, _) if kind == of_user => Err(Errno::PERM),
        (_, 0) => Ok(Answer::Native),
        (_, other) => known(programs, other),
    }
}

/// `connect` and `bind`: a socket's name is a path.
pub(super) fn socket_address(programs: &mut Programs, call: &Call) -> Reply {
    address(programs, call, (1, 2))
}

pub(super) fn destination(programs: &mut Programs, call: &Call) -> Reply {
    if call.arguments[4] == 0 { Ok(Answer::Native) } else { address(programs, call, (4, 5)) }
}

fn address(programs: &Programs, call: &Call, (argument, length): (usize, usize)) -> Reply {
    let Some(path) = path_of_address(call, call.arguments[argument], call.arguments[length])? else {
        return Ok(Answer::Native);
    };
    let path = match programs.path(call, HERE, path)? {
        Path::Inside(inside) => inside,
        Path::OfProcess(_) | Path::Link { .. } => return Err(Errno::ACCESS),
    };
    let host = match programs.root.existing(&path, true) {
        Ok(found) => root::path_of(&found)?,
        Err(Errno::NOENT) => {
            let place = programs.root.place(&path)?;
            [&root::path_of(&place.folder)?, b"/".as_slice(), &place.name].concat()
        }
        Err(errno) => return Err(errno),
    };
    let text = [&(libc::AF_UNIX as u16).to_ne_bytes(), host.as_slice()].concat();
    // With the terminating zero, if there is room for it.
    let size = (text.len() + 1).min(MOST_ADDRESS);
    if text.len() > MOST_ADDRESS {
        return Err(Errno::NAMETOOLONG);
    }
    Ok(Answer::Changed(vec![Change::Text(argument, text), Change::Number(length, size as u64)]))
}

/// `None` for a family without paths, and for a name that is not a path.
fn path_of_address(call: &Call, address: u64, length: u64) -> Result<Option<Vec<u8>>> {
    let length = (length as u32 as usize).min(MOST_ADDRESS);
    if address == 0 || length <= FAMILY_BYTES {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    call.tracee.read(address, &mut bytes)?;
    let (family, path) = bytes.split_at(FAMILY_BYTES);
    if family != (libc::AF_UNIX as u16).to_ne_bytes() || path[0] == 0 {
        return Ok(None);
    }
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    Ok(Some(path[..end].to_vec()))
}

/// `sendmsg` to a path: only connected sockets are supported.
pub(super) fn message(_: &mut Programs, call: &Call) -> Reply {
    refuse_path(call, call.arguments[1])
}

pub(super) fn messages(_: &mut Programs, call: &Call) -> Reply {
    /// `struct mmsghdr` (linux/socket.h).
    const MESSAGE_BYTES: u64 = 64;
    for at in 0..u64::from(call.arguments[2] as u32).min(1024) {
        refuse_path(call, call.arguments[1] + at * MESSAGE_BYTES)?;
    }
    Ok(Answer::Native)
}

fn refuse_path(call: &Call, message: u64) -> Reply {
    let [address, length] = call.tracee.numbers::<2>(message)?;
    match path_of_address(call, address, length)? {
        Some(_) => Err(Errno::CONNREFUSED),
        None => Ok(Answer::Native),
    }
}
