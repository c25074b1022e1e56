//! `/proc`: a program's entries for itself and the programs beside it, and the few files about the machine that reveal
//! nothing about others. There is no folder for it; names are looked up in the host's, one by one.

use rustix::io::{Errno, Result};

use super::call::Call;
use super::programs::Programs;

/// The meaning of a path.
pub(super) enum Meaning {
    /// It is not in `/proc`.
    Nothing,
    /// A path in the program's root.
    Elsewhere(Vec<u8>),
    Host(Vec<u8>),
    /// A magic link, and its target.
    Link(Vec<u8>, Vec<u8>),
}

/// Files about the machine.
const SHARED: [&[u8]; 14] = [
    b"cpuinfo",
    b"meminfo",
    b"stat",
    b"uptime",
    b"loadavg",
    b"version",
    b"filesystems",
    b"devices",
    b"vmstat",
    b"diskstats",
    b"partitions",
    b"cmdline",
    b"swaps",
    b"cgroups",
];
/// The kernel's settings.
const SETTINGS: &[u8] = b"sys";

/// A quick check whether a path may be in `/proc`.
pub(super) fn may_be(path: &[u8]) -> bool {
    path.windows(4).any(|part| part == b"proc")
}

pub(super) fn meaning(programs: &Programs, call: &Call, path: &[u8]) -> Result<Meaning> {
    let path = lexical(path);
    match path.strip_prefix(b"/proc") {
        Some(rest) if rest.first().is_none_or(|byte| *byte == b'/') => below(programs, call, &names(rest)),
        _ => Ok(Meaning::Nothing),
    }
}

fn lexical(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.iter().flat_map(|name| [b"/".as_slice(), name].concat()).collect()
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect()
}

fn below(programs: &Programs, call: &Call, names: &[&[u8]]) -> Result<Meaning> {
    let task = programs.tasks.get(&call.tracee.0).ok_or(Errno::SRCH)?;
    let host = |names: &[&[u8]]| Meaning::Host([b"/proc/".as_slice(), &names.join(b"/".as_slice())].concat());
    let path = |own: &str, rest: &[&[u8]]| [b"/proc/", own.as_bytes(), b"/", &rest.join(b"/".as_slice())].concat();
    let number = |name: &[u8]| std::str::from_utf8(name).ok().and_then(|name| name.parse::<i32>().ok());
    let (Some(first), rest) = (names.first(), names.get(1..).unwrap_or_default()) else { return Ok(Meaning::Nothing) };
    if names.contains(&b"..".as_slice()) {
        return Err(Errno::ACCESS);
    }
    let process = match *first {
        b"self" => task.process,
        b"thread-self" => call.tracee.0,
        b"mounts" => return below(programs, call, &[b"self", b"mounts"]),
        b"net" => return Err(Errno::NOENT),
        SETTINGS => return Ok(host(names)),
        name if rest.is_empty() && SHARED.contains(&name) => return Ok(host(names)),
        name => number(name).ok_or(Errno::NOENT)?,
    };
    let known = programs.tasks.get(&process).ok_or(Errno::NOENT)?;
    let own = process.to_string();
    match rest {
        [b"root"] => Ok(Meaning::Link(path(&own, rest), b"/".to_vec())),
        [b"root", inner @ ..] => Ok(Meaning::Elsewhere([b"/".as_slice(), &inner.join(b"/".as_slice())].concat())),
        [b"exe"] => Ok(Meaning::Link(path(&own, rest), known.program.to_vec())),
        [b"task", thread, inner @ ..] => below(programs, call, &[&[*thread], inner].concat()),
        [b"cwd"] => match of_link(programs, &format!("/proc/{own}/cwd"), &[])? {
            Meaning::Elsewhere(inside) => Ok(Meaning::Link(path(&own, rest), inside)),
            other => Ok(other),
        },
        [b"cwd", inner @ ..] => of_link(programs, &format!("/proc/{own}/cwd"), inner),
        [b"fd", number, inner @ ..] if !inner.is_empty() => {
            of_link(programs, &format!("/proc/{own}/fd/{}", String::from_utf8_lossy(number)), inner)
        }
        _ => Ok(Meaning::Host(path(&own, rest))),
    }
}

/// A path below a magic link to a folder.
fn of_link(programs: &Programs, link: &str, inner: &[&[u8]]) -> Result<Meaning> {
    let target = rustix::fs::readlink(link, Vec::new())?.into_bytes();
    let inside = programs.root.inside(&target).ok_or(Errno::NOENT)?;
    Ok(Meaning::Elsewhere([&inside, b"/".as_slice(), &inner.join(b"/".as_slice())].concat()))
}

/// The target of a magic link, as a program reads it.
pub(super) fn link(programs: &Programs, call: &Call, path: &[u8]) -> Option<Vec<u8>> {
    let names = names(path.strip_prefix(b"/proc")?);
    let task = programs.tasks.get(&call.tracee.0)?;
    match names.as_slice() {
        [b"self"] => Some(task.process.to_string().into_bytes()),
        [b"thread-self"] => Some(format!("{}/task/{}", task.process, call.tracee.0).into_bytes()),
        [b"mounts"] => Some(b"self/mounts".to_vec()),
        [process, b"exe"] => {
            let number = match *process {
                b"self" | b"thread-self" => task.process,
                number => std::str::from_utf8(number).ok()?.parse().ok()?,
            };
            Some(programs.tasks.get(&number)?.program.to_vec())
        }
        [_, b"root"] => Some(b"/".to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_a_processs_is_looked_at() {
        assert!(may_be(b"/proc/self/fd") && !may_be(b"/usr/include/stdio.h"));
        assert_eq!(lexical(b"/a/../proc/./stat"), b"/proc/stat");
    }
}
