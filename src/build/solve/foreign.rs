//! Programs for other processors: finds out before a step begins whether this machine can run them.
//!
//! This depends on the program itself, not on the image's platform: a cross build may well run native programs in a
//! foreign image. The kernel runs a foreign program with the emulator that is registered for it (the kernel's
//! admin-guide/binfmt-misc.rst).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::language::plan::RunStep;
use crate::store::snapshot::View;

use super::error::StepError;

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";
/// How much of a file the kernel reads to find its handler.
const HEAD: usize = 256;
/// How many interpreters are followed in a row, as in Linux.
const INTERPRETER_LIMIT: usize = 5;
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program for another processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub program: PathBuf,
    /// docker's name of it.
    pub architecture: &'static str,
}

impl Foreign {
    /// The error for a machine without an emulator.
    pub fn error(&self) -> StepError {
        StepError::NoEmulator { program: self.program.clone(), architecture: self.architecture }
    }
}

/// A binfmt_misc handler: what the kernel does with files that begin in a certain way.
#[derive(Debug, PartialEq, Eq)]
struct Handler {
    interpreter: PathBuf,
    /// The kernel keeps the interpreter open, so it need not be in the container.
    is_fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    mask: Vec<u8>,
}

/// The program of the step, if it is foreign. An error if it certainly can't be run; if the handlers can't be read, the
/// kernel decides.
pub(super) fn check(view: &View, step: &RunStep) -> Result<Option<Foreign>, StepError> {
    let Some((program, head)) = program_of(view, step) else { return Ok(None) };
    let Some(architecture) = foreign_architecture(&head) else { return Ok(None) };
    let foreign = Foreign { program, architecture };
    let Some(handlers) = handlers(Path::new(HANDLERS)) else { return Ok(Some(foreign)) };
    match handlers.iter().find(|handler| handler.takes(&head)) {
        None => Err(foreign.error()),
        Some(handler) if handler.is_fixed || is_there(view, &handler.interpreter) => Ok(Some(foreign)),
        Some(handler) => Err(StepError::EmulatorNotFixed {
            architecture: foreign.architecture,
            interpreter: handler.interpreter.clone(),
        }),
    }
}

fn is_there(view: &View, path: &Path) -> bool {
    read_head(view, Path::new("/"), path).is_some()
}

/// The program that is finally executed, after any scripts, and its first bytes. `None` if it can't be found: executing
/// it gives a better error.
fn program_of(view: &View, step: &RunStep) -> Option<(PathBuf, Vec<u8>)> {
    let directory = Path::new(&step.working_directory);
    let mut program = match &step.script {
        Some((_, text)) => interpreter_of(text.as_bytes())?,
        None => PathBuf::from(step.arguments.first()?),
    };
    for _ in 0..INTERPRETER_LIMIT {
        let (path, head) = match program.to_string_lossy().contains('/') {
            true => read_head(view, directory, &program)?,
            false => {
                search_path(step).into_iter().find_map(|folder| read_head(view, directory, &folder.join(&program)))?
            }
        };
        match interpreter_of(&head) {
            Some(interpreter) => program = interpreter,
            None => return Some((path, head)),
        }
    }
    None
}

fn search_path(step: &RunStep) -> Vec<PathBuf> {
    let path = step.environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_str());
    path.unwrap_or(DEFAULT_PATH).split(':').map(PathBuf::from).collect()
}

/// The file behind all links, and its first bytes.
fn read_head(view: &View, directory: &Path, path: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let resolved = view.resolve(directory.strip_prefix("/").unwrap_or(directory), path).ok()?;
    let entry = view.lstat(&resolved).ok()??;
    if entry.kind != crate::image::layer::FileKind::Regular {
        return None;
    }
    let mut head = Vec::with_capacity(HEAD);
    view.open_file(&resolved, &entry).ok()?.take(HEAD as u64).read_to_end(&mut head).ok()?;
    Some((Path::new("/").join(resolved), head))
}

/// The interpreter in a script's first line.
fn interpreter_of(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = String::from_utf8_lossy(line).split_whitespace().next()?.to_owned();
    Some(PathBuf::from(word))
}

/// The architecture of an ELF program (elf(5): `e_ident`, `e_machine`), if this processor does not run it.
fn foreign_architecture(head: &[u8]) -> Option<&'static str> {
    let (ident, machine) = (head.get(..6)?, head.get(18..20)?);
    if !ident.starts_with(b"\x7fELF") {
        return None;
    }
    let (is_64, is_little) = (ident[4] == 2, ident[5] == 1);
    let machine = if is_little {
        u16::from_le_bytes([machine[0], machine[1]])
    } else {
        u16::from_be_bytes([machine[0], machine[1]])
    };
    let architecture = match (machine, is_64, is_little) {
        (62, ..) => "amd64",
        (3, ..) => "386",
        (183, ..) => "arm64",
        (40, ..) => "arm",
        (243, true, _) => "riscv64",
        (243, false, _) => "riscv32",
        (22, ..) => "s390x",
        (21, _, true) => "ppc64le",
        (21, _, false) => "ppc64",
        (8, true, true) => "mips64le",
        (8, true, false) => "mips64",
        (8, false, true) => "mipsle",
        (8, false, false) => "mips",
        (258, ..) => "loong64",
        _ => "another processor",
    };
    let native: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["amd64", "386"],
        "aarch64" => &["arm64", "arm"],
        _ => return None,
    };
    (!native.contains(&architecture)).then_some(architecture)
}

/// The active handlers; `None` if they can't be read.
fn handlers(folder: &Path) -> Option<Vec<Handler>> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    if status.trim() != "enabled" {
        return Some(Vec::new());
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    Some(entries.filter_map(|entry| Handler::parse(&std::fs::read_to_string(entry.path()).ok()?)).collect())
}

impl Handler {
    /// Parses one of the kernel's descriptions; `None` for a handler that is disabled or matches file extensions.
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if text.lines().next() != Some("enabled") {
            return None;
        }
        let magic = from_hex(field("magic ")?)?;
        let mask = match field("mask ") {
            Some(mask) => from_hex(mask)?,
            None => vec![0xff; magic.len()],
        };
        Some(Self {
            interpreter: PathBuf::from(field("interpreter ")?),
            is_fixed: field("flags:").unwrap_or_default().contains('F'),
            offset: field("offset ").and_then(|offset| offset.parse().ok()).unwrap_or(0),
            magic,
            mask,
        })
    }

    fn takes(&self, head: &[u8]) -> bool {
        let Some(part) = head.get(self.offset..self.offset + self.magic.len()) else { return false };
        part.iter().zip(&self.magic).zip(&self.mask).all(|((byte, magic), mask)| (byte ^ magic) & mask == 0)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    base16ct::lower::decode_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's description of Debian's emulator for arm64.
    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn elf(class: u8, machine: u16) -> Vec<u8> {
        let mut head = vec![0x7f, b'E', b'L', b'F', class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
        head.extend(machine.to_le_bytes());
        head
    }

    #[test]
    fn a_handler_takes_its_own_programs_only() {
        let handler = Handler::parse(ARM64).unwrap();
        assert!(handler.is_fixed && handler.interpreter.ends_with("aarch64-binfmt-P"));
        assert!(handler.takes(&elf(2, 183)));
        assert!(!handler.takes(&elf(2, 243)) && !handler.takes(b"#!/bin/sh"));
        assert_eq!(Handler::parse(&ARM64.replace("enabled", "disabled")), None);
        assert!(!Handler::parse(&ARM64.replace("POCF", "OC")).unwrap().is_fixed);
    }

    #[test]
    fn programs_are_told_by_their_first_bytes() {
        let foreign = |head: &[u8]| foreign_architecture(head);
        assert_eq!(foreign(&elf(2, 22)), Some("s390x"));
        assert_eq!(foreign(&elf(2, 243)), Some("riscv64"));
        assert_eq!(foreign(&elf(1, 8)), Some("mipsle"));
        let own = if std::env::consts::ARCH == "aarch64" { 183 } else { 62 };
        assert_eq!(foreign(&elf(2, own)), None);
        assert_eq!(foreign(b"#!/bin/sh\n"), None);
        assert_eq!(foreign(b"\x7fELF"), None);
    }

    #[test]
    fn scripts_lead_to_their_interpreter() {
        assert_eq!(interpreter_of(b"#! /usr/bin/env python3\nx"), Some(PathBuf::from("/usr/bin/env")));
        assert_eq!(interpreter_of(b"#!\n"), None);
        assert_eq!(interpreter_of(b"\x7fELF"), None);
    }

    #[test]
    fn without_its_folder_nothing_is_known_of_handlers() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(handlers(folder.path()), None);
        std::fs::write(folder.path().join("status"), "enabled\n").unwrap();
        std::fs::write(folder.path().join("qemu-aarch64"), ARM64).unwrap();
        assert_eq!(handlers(folder.path()).unwrap().len(), 1);
        std::fs::write(folder.path().join("status"), "disabled\n").unwrap();
        assert_eq!(handlers(folder.path()), Some(Vec::new()));
    }
}
