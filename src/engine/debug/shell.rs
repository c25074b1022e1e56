//! Finds a shell: in the root filesystem, or a static busybox that is mounted separately.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{DebugError, Request};
use crate::base::input;
use crate::base::io_error::AtPath as _;
use crate::container::sandbox::{Mount, MountSource};
use crate::engine::image::info;
use crate::image::layer::FileKind;
use crate::store::Store;
use crate::store::snapshot::{Stack, View};

/// The paths of shells in images, best first.
const SHELLS: &[&str] =
    &["bin/bash", "usr/bin/bash", "usr/local/bin/bash", "bin/sh", "usr/bin/sh", "bin/ash", "busybox/sh"];
/// The paths of busybox in images.
const BUSYBOXES: &[&str] = &["bin/busybox", "busybox/busybox", "usr/bin/busybox", "bin/sh", "busybox/sh"];
/// The size limit of a program that is mounted.
const LONGEST: u64 = 32 << 20;
/// Where it is mounted.
const ASIDE: &str = "/.rbuild-debug";

/// The program to execute, and the mounts that it needs.
pub(super) struct Shell {
    /// The program and its arguments.
    pub arguments: Vec<OsString>,
    /// What the program needs mounted.
    pub mounts: Vec<Mount>,
    /// Where it comes from, if it is not in the image.
    pub from: Option<String>,
}

/// The shell to use in this root filesystem.
pub(super) fn find(store: &Store, view: &View, request: &Request) -> Result<Shell, DebugError> {
    if request.shell_from.is_none() {
        for path in SHELLS {
            if is_program(view, Path::new(path))? {
                let arguments = vec![OsString::from(format!("/{path}"))];
                return Ok(Shell { arguments, mounts: Vec::new(), from: None });
            }
        }
    }
    let (program, from) = match &request.shell_from {
        Some(image) => (of_image(store, image)?, format!("the image {image}")),
        None => of_machine(&request.busyboxes)?,
    };
    let busybox = format!("{ASIDE}/busybox");
    let script = format!("{busybox} --install -s {ASIDE} 2>/dev/null; PATH=$PATH:{ASIDE} exec {busybox} sh");
    let arguments = [busybox.as_str(), "sh", "-c", &script].map(OsString::from).to_vec();
    Ok(Shell { arguments, mounts: mounts(&busybox, program), from: Some(from) })
}

fn mounts(busybox: &str, program: Vec<u8>) -> Vec<Mount> {
    let mount = |target: &str, source: MountSource, read_only: bool| Mount {
        target: target.into(),
        source,
        read_only,
        shallow: false,
        lasting: false,
    };
    let file = MountSource::File { content: program, mode: 0o755, uid: 0, gid: 0, is_program: true };
    vec![mount(ASIDE, MountSource::Tmpfs(Default::default()), false), mount(busybox, file, true)]
}

/// Whether it is an executable regular file, after following links.
fn is_program(view: &View, path: &Path) -> Result<bool, DebugError> {
    let path = view.resolve(Path::new(""), path)?;
    let found = view.lstat(&path)?;
    Ok(found.is_some_and(|entry| entry.kind == FileKind::Regular && entry.mode & 0o111 != 0))
}

fn of_image(store: &Store, image: &str) -> Result<Vec<u8>, DebugError> {
    let config = info::read_config(store, &info::find_for(store, image, None)?)?;
    let layers = Stack::of_image(&config.rootfs.diff_ids).unpacked(store)?;
    let view = View::of_layers(&layers)?;
    for path in BUSYBOXES {
        let path = view.resolve(Path::new(""), Path::new(path))?;
        let Some(entry) = view.lstat(&path)?.filter(|entry| entry.kind == FileKind::Regular) else { continue };
        let bytes = view.read_file(&path, &entry, LONGEST)?;
        if is_static(&bytes) {
            return Ok(bytes);
        }
    }
    Err(DebugError::NotStatic { image: image.to_owned() })
}

fn of_machine(places: &[PathBuf]) -> Result<(Vec<u8>, String), DebugError> {
    for path in places {
        let Ok(mut start) = File::open(path).map(|file| file.take(4)) else { continue };
        let mut magic = Vec::new();
        start.read_to_end(&mut magic).at("read", path)?;
        if magic != ELF {
            continue;
        }
        let bytes = input::bounded(path, LONGEST)?;
        if is_static(&bytes) {
            return Ok((bytes, path.display().to_string()));
        }
    }
    Err(DebugError::NoShell)
}

const ELF: &[u8] = b"\x7fELF";
/// `PT_INTERP` (elf(5)): the program needs a dynamic loader.
const INTERPRETER: u32 = 3;

/// Whether it is a statically linked program for a little-endian machine.
fn is_static(bytes: &[u8]) -> bool {
    let number = |at: usize, length: usize| -> Option<u64> {
        let field = bytes.get(at..at + length)?;
        Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let is_elf = bytes.starts_with(ELF) && bytes.get(5) == Some(&1);
    let is_64 = bytes.get(4) == Some(&2);
    let (offset, size, count) = if is_64 { ((32, 8), (54, 2), (56, 2)) } else { ((28, 4), (42, 2), (44, 2)) };
    let read = |(at, length)| number(at, length).and_then(|number| usize::try_from(number).ok());
    let (Some(offset), Some(size), Some(count)) = (read(offset), read(size), read(count)) else { return false };
    let kind = |index: usize| number(offset.checked_add(index.checked_mul(size)?)?, 4);
    is_elf && count > 0 && (0..count).all(|index| kind(index).is_some_and(|kind| kind != u64::from(INTERPRETER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit ELF header with one program header of that type.
    fn program(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 120];
        bytes[..4].copy_from_slice(ELF);
        (bytes[4], bytes[5], bytes[32], bytes[54], bytes[56], bytes[64]) = (2, 1, 64, 56, 1, kind);
        bytes
    }

    #[test]
    fn programs_that_want_a_loader_are_told_apart() {
        assert!(is_static(&program(1)) && !is_static(&program(3)));
        assert!(!is_static(&program(1)[..60]) && !is_static(b"#!/bin/sh\n"));
    }
}
