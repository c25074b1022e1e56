//! Executing programs. The kernel would look for a script's interpreter, or for a program's dynamic loader, in the
//! host's root. So it is told to execute that one directly, and the program is loaded beside it (`load`).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::call::{Answer, Call, Reply};
use super::elf::Elf;
use super::execution::{Argument, Execution};
use super::load::{self, Loader};
use super::memory::Memory;
use super::paths::{HERE, SEARCH};
use super::programs::Programs;
use super::root::{name_of, path_of};
use super::trace::Tracee;
use super::user::{Credentials, EFFECTIVE, OF_FILES, SAVED};

/// The kernel's limit (`BINPRM_BUF_SIZE`).
const LINE_BYTES: usize = 256;
/// How deeply scripts may be interpreted by scripts, as in the kernel.
const MOST_SCRIPTS: usize = 5;

pub(super) fn execve(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (HERE, 0), 0)?;
    prepare(programs, call, found, call.text(0)?, (call.arguments[1], call.arguments[2]))
}

pub(super) fn execveat(programs: &mut Programs, call: &Call) -> Reply {
    let found = programs.found(call, (call.int(0), 1), call.int(4))?;
    let text = call.text(1)?;
    let called = match text.first() {
        Some(b'/') => text,
        _ if call.int(0) == HERE => text,
        // A script finds itself by this path, as with the kernel.
        Some(_) => [format!("/dev/fd/{}/", call.int(0)).as_bytes(), &text].concat(),
        None => format!("/dev/fd/{}", call.int(0)).into_bytes(),
    };
    prepare(programs, call, found, called, (call.arguments[2], call.arguments[3]))
}

fn prepare(
    programs: &mut Programs,
    call: &Call,
    mut found: OwnedFd,
    called: Vec<u8>,
    (argument_address, environment): (u64, u64),
) -> Reply {
    let mut arguments: Option<Vec<Argument>> = None;
    let mut name = called.clone();
    for _ in 0..=MOST_SCRIPTS {
        let credentials = check(programs, call, &found)?;
        let file = readable(&found)?;
        let Some((interpreter, option)) = script(&file)? else {
            let elf = match Elf::read(&file) {
                Err(errno) if Elf::is_one(&file) => {
                    return programs.refuse(call, "a program that is not of 64-bit amd64", errno);
                }
                elf => elf?,
            };
            let host = path_of(&found)?;
            let program = programs.root.inside(&host).unwrap_or_else(|| name.clone());
            let (host, loader) = match &elf.interpreter {
                None => (host, None),
                Some(interpreter) => {
                    let path = programs.path(call, HERE, interpreter.clone())?;
                    let found = programs.existing(call, path, true)?;
                    let own = Elf::read(&readable(&found)?).map_err(|_| libbad())?;
                    (path_of(&found)?, Some(Loader { program: host, elf, own }))
                }
            };
            // The kernel reads the arguments itself if nothing was changed.
            let before = call.tracee.registers()?;
            return Ok(Answer::Execute(Box::new(Execution {
                before,
                host,
                program,
                called: name,
                loader,
                arguments,
                environment,
                argument_address,
                credentials,
            })));
        };
        let mut new = vec![Argument::Text(interpreter.clone())];
        new.extend(option.map(Argument::Text));
        new.push(Argument::Text(name));
        let rest = match arguments.take() {
            Some(before) => before,
            None if argument_address == 0 => Vec::new(),
            None => call.tracee.numbers_to_zero(argument_address)?.into_iter().map(Argument::At).collect(),
        };
        new.extend(rest.into_iter().skip(1));
        arguments = Some(new);
        let path = programs.path(call, HERE, interpreter.clone())?;
        found = programs.existing(call, path, true)?;
        name = interpreter;
    }
    Err(Errno::LOOP)
}

fn libbad() -> Errno {
    Errno::from_raw_os_error(libc::ELIBBAD)
}

/// Checks whether it may be executed, and returns the resulting credentials.
fn check(programs: &Programs, call: &Call, found: &OwnedFd) -> Result<Credentials> {
    let (stat, mut credentials) = (programs.stat(found)?, programs.credentials(call)?);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || !credentials.may(&stat, SEARCH) {
        return Err(Errno::ACCESS);
    }
    if !programs.no_new_privileges {
        if stat.st_mode & libc::S_ISUID != 0 {
            credentials.uid[EFFECTIVE] = stat.st_uid;
        }
        if stat.st_mode & libc::S_ISGID != 0 && stat.st_mode & libc::S_IXGRP != 0 {
            credentials.gid[EFFECTIVE] = stat.st_gid;
        }
    }
    for which in [SAVED, OF_FILES] {
        credentials.uid[which] = credentials.uid[EFFECTIVE];
        credentials.gid[which] = credentials.gid[EFFECTIVE];
    }
    Ok(credentials)
}

fn readable(found: &OwnedFd) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(name_of(found), flags, Mode::empty())?.into())
}

/// The interpreter of a script, and the optional argument in its first line.
type Interpreter = (Vec<u8>, Option<Vec<u8>>);

fn script(file: &File) -> Result<Option<Interpreter>> {
    let mut line = [0; LINE_BYTES];
    let count = file.read_at(&mut line, 0).map_err(|_| Errno::IO)?;
    interpreter(&line[..count])
}

fn interpreter(start: &[u8]) -> Result<Option<Interpreter>> {
    let Some(rest) = start.strip_prefix(b"#!") else { return Ok(None) };
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().position(is_space).unwrap_or(line.len());
    let (name, option) = line.split_at(end);
    if name.is_empty() {
        return Err(Errno::NOEXEC);
    }
    let option = option.trim_ascii();
    Ok(Some((name.to_vec(), (!option.is_empty()).then(|| option.to_vec()))))
}

/// Called when the kernel has executed it, before the program runs.
pub(super) fn finish(programs: &mut Programs, tracee: Tracee, execution: Execution) -> std::io::Result<()> {
    let room = load::make_room(tracee)?;
    let names = load::Names {
        called: &execution.called,
        short: execution.called.rsplit(|byte| *byte == b'/').next().unwrap_or_default(),
    };
    load::finish(tracee, room, execution.loader.as_ref(), (&names, &execution.credentials))?;
    let task = programs.task(tracee)?;
    task.memory = Memory::new(room);
    task.process = tracee.0;
    task.program = Rc::new(execution.program);
    task.credentials = execution.credentials;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_reads_them() {
        let read = |line: &[u8]| interpreter(line).unwrap();
        let of = |name: &str, option: Option<&str>| {
            Some((name.as_bytes().to_vec(), option.map(|option| option.as_bytes().to_vec())))
        };
        assert_eq!(read(b"#!/bin/sh\nx"), of("/bin/sh", None));
        assert_eq!(read(b"#! /usr/bin/env  python3 -u \n"), of("/usr/bin/env", Some("python3 -u")));
        assert_eq!(read(b"#!\t/bin/sh\t-e"), of("/bin/sh", Some("-e")));
        assert_eq!(read(b"\x7fELF"), None);
        assert_eq!(interpreter(b"#!  \n"), Err(Errno::NOEXEC));
    }
}
