//! Signals, priorities and sockets: programs only reach others that are traced here.

use std::collections::HashSet;

use rustix::io::{Errno, Result};
use rustix::process::Pid;

use super::call::{Answer, Call, Change, DONE, Reply};
use super::paths::{HERE, Path};
use super::programs::Programs;
use super::root;
use super::task::Pending;
use super::trace::Tracee;
use super::user::EFFECTIVE;

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
            // In a container, the first one is process 1, which is left out.
            let left_out = [programs.task(call.tracee)?.process, programs.first];
            let others = programs.tasks.values().map(|task| task.process).filter(|pid| !left_out.contains(pid));
            let others: HashSet<i32> = others.collect();
            for pid in &others {
                match send(*pid, signal) {
                    // It has ended meanwhile.
                    Err(Errno::SRCH) => {}
                    sent => sent?,
                }
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

pub(super) fn processors(programs: &mut Programs, call: &Call) -> Reply {
    let known = of_thread_or_own(programs, call)?;
    let processors = programs.placement.processors();
    match call.arguments[1] as usize {
        _ if processors.is_empty() => Ok(known),
        length if length < processors.len() || length % 8 != 0 => Err(Errno::INVAL),
        _ => {
            call.write(2, processors)?;
            Ok(Answer::Value(processors.len() as i64))
        }
    }
}

pub(super) fn set_processors(programs: &mut Programs, call: &Call) -> Reply {
    let answer = of_thread_or_own(programs, call)?;
    programs.placement.end();
    Ok(answer)
}

pub(super) fn ptrace(programs: &mut Programs, call: &Call) -> Reply {
    programs.refuse(call, "to trace a process (ptrace)", Errno::PERM)
}

pub(super) fn other_memory(programs: &mut Programs, call: &Call) -> Reply {
    programs.refuse(call, "the memory of another process (process_vm_readv, process_vm_writev)", Errno::PERM)
}

/// Of a network: what goes past the kernel's protocols. Netlink's sockets are of that type, too.
pub(super) fn raw_socket(programs: &mut Programs, call: &Call) -> Reply {
    match call.int(0) {
        libc::AF_INET | libc::AF_INET6 | libc::AF_PACKET => programs.refuse(call, "a raw socket", Errno::PERM),
        _ => Ok(Answer::Native),
    }
}

/// `connect` and `bind`: a socket's name is a path.
pub(super) fn socket_address(programs: &mut Programs, call: &Call) -> Reply {
    address(programs, call, (1, 2))
}

pub(super) fn destination(programs: &mut Programs, call: &Call) -> Reply {
    if call.arguments[4] == 0 { Ok(Answer::Native) } else { address(programs, call, (4, 5)) }
}

fn address(programs: &mut Programs, call: &Call, (argument, length): (usize, usize)) -> Reply {
    let Some(path) = path_of_address(call, call.arguments[argument], call.arguments[length])? else {
        let asked_port = port(call, call.arguments[argument], call.arguments[length]);
        return Ok(match asked_port {
            Some(1..1024) => Answer::Then(Pending::Refused(Errno::ACCESS, "a port below 1024")),
            _ => Answer::Native,
        });
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
        let what = "a Unix socket whose path on the host is longer than 107 bytes";
        return programs.refuse(call, what, Errno::NAMETOOLONG);
    }
    Ok(Answer::Changed(vec![Change::Text(argument, text), Change::Number(length, size as u64)]))
}

/// Of an address on a network.
fn port(call: &Call, address: u64, length: u64) -> Option<u16> {
    let mut bytes = [0; 4];
    if address == 0 || length < bytes.len() as u64 {
        return None;
    }
    call.tracee.read(address, &mut bytes).ok()?;
    let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    matches!(family, libc::AF_INET | libc::AF_INET6).then(|| u16::from_be_bytes([bytes[2], bytes[3]]))
}

/// `getsockopt(SO_PEERCRED)`: the kernel knows everybody as the same user.
pub(super) fn peer(_: &mut Programs, call: &Call) -> Reply {
    Ok(Answer::Then(Pending::Peer(call.arguments[3])))
}

/// Puts who the process at the other end takes itself for in the place of what the kernel has told (`struct ucred`).
pub(super) fn tell_peer(programs: &Programs, tracee: Tracee, address: u64) -> Result<()> {
    let mut pid = [0; 4];
    tracee.read(address, &mut pid)?;
    // Who is gone was root most likely.
    let known = programs.tasks.get(&i32::from_ne_bytes(pid)).map(|task| &task.credentials);
    let (uid, gid) = known.map_or((0, 0), |known| (known.uid[EFFECTIVE], known.gid[EFFECTIVE]));
    tracee.write(address + 4, &[uid.to_ne_bytes(), gid.to_ne_bytes()].concat())
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
pub(super) fn message(programs: &mut Programs, call: &Call) -> Reply {
    refuse_path(programs, call, call.arguments[1])
}

pub(super) fn messages(programs: &mut Programs, call: &Call) -> Reply {
    /// `struct mmsghdr` (linux/socket.h).
    const MESSAGE_BYTES: u64 = 64;
    for at in 0..u64::from(call.arguments[2] as u32).min(1024) {
        refuse_path(programs, call, call.arguments[1] + at * MESSAGE_BYTES)?;
    }
    Ok(Answer::Native)
}

fn refuse_path(programs: &mut Programs, call: &Call, message: u64) -> Reply {
    let [address, length] = call.tracee.numbers::<2>(message)?;
    match path_of_address(call, address, length)? {
        Some(_) => programs.refuse(call, "to send to the path of a Unix socket (sendmsg)", Errno::CONNREFUSED),
        None => Ok(Answer::Native),
    }
}
