//! The rbuild program as a file that a container can't write to, although it can reach it through `/proc/1/exe`.

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

/// The file from which containers' inits are executed.
pub(super) fn own() -> Result<&'static OwnedFd, SandboxError> {
    if let Some(executable) = EXECUTABLE.get() {
        return Ok(executable);
    }
    let program = identity::program().map_err(start_error("find the rbuild program"))?;
    let executable = match find(program).map(|path| seal(&path)) {
        Some(Ok(sealed)) => sealed,
        // Replaced or removed since it was started, or on a mount that can't be cloned.
        _ => copy(program).map_err(start_error("copy the rbuild program to memory"))?,
    };
    Ok(EXECUTABLE.get_or_init(|| executable))
}

/// The path of a program, if it still exists: the kernel's link to this one leads into the mount namespace in which it
/// was started, and an ordinary user has left that.
fn find(program: &Path) -> Option<PathBuf> {
    // A path that was given explicitly is not a link.
    let path = std::fs::read_link(program).unwrap_or_else(|_| program.to_owned());
    let (own, found) = (rustix::fs::stat(program).ok()?, rustix::fs::stat(&path).ok()?);
    (own.st_dev == found.st_dev && own.st_ino == found.st_ino).then_some(path)
}

/// A detached read-only mount of a program.
fn seal(path: &Path) -> io::Result<OwnedFd> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let tree = mount_api::clone_tree(&handle, c"", false)?;
    mount_api::set_attributes(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY, false)?;
    Ok(tree)
}

/// A sealed copy (memfd_create(2)).
fn copy(program: &Path) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("rbuild", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut File::open(program)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(copy.into())
}
