//! The rbuild program as a file that a container can't write to, though it may reach it by `/proc/1/exe`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::MountAttrFlags;

use super::error::{SandboxError, start_error};
use super::mount_api;
use crate::base::identity;

static EXECUTABLE: OnceLock<OwnedFd> = OnceLock::new();

/// The file that containers' inits are executed from.
pub(super) fn own() -> Result<&'static OwnedFd, SandboxError> {
    if let Some(executable) = EXECUTABLE.get() {
        return Ok(executable);
    }
    let program = identity::program().map_err(start_error("find the rbuild program"))?;
    let executable = match find(program).map(|path| seal(&path)) {
        Some(Ok(sealed)) => sealed,
        // Replaced or removed since it was started, or on a mount that may not be cloned.
        _ => copy(program).map_err(start_error("copy the rbuild program to memory"))?,
    };
    Ok(EXECUTABLE.get_or_init(|| executable))
}

/// Where a program is, if it is still there: the kernel's own link to this one leads to the mount namespace that it was
/// started in, which an ordinary user has left.
fn find(program: &Path) -> Option<PathBuf> {
    // One that was named is no link.
    let path = std::fs::read_link(program).unwrap_or_else(|_| program.to_owned());
    let (own, found) = (rustix::fs::stat(program).ok()?, rustix::fs::stat(&path).ok()?);
    (own.st_dev == found.st_dev && own.st_ino == found.st_ino).then_some(path)
}

/// A read-only mount of a program, attached nowhere.
fn seal(path: &Path) -> io::Result<OwnedFd> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let tree = mount_api::clone_tree(&handle, c"", false)?;
    mount_api::set_attributes(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY, false)?;
    Ok(tree)
}

/// A copy that nobody can change any more (memfd_create(2)).
fn copy(program: &Path) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("rbuild", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut File::open(program)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(copy.into())
}
