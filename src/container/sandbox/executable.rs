//! This program as a file that a container can't write to, though it may reach it by `/proc/1/exe`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::MountAttrFlags;

use super::error::{SandboxError, start_error};
use super::mount_api;

const OWN: &str = "/proc/self/exe";

static EXECUTABLE: OnceLock<OwnedFd> = OnceLock::new();

/// Lets another program than this one be the containers' init: `rbuild`, for a program that uses this library and
/// doesn't call `init_if_requested` itself. To be called before the first container is started.
pub fn use_init_executable(path: &Path) -> Result<(), SandboxError> {
    let sealed = seal(path).map_err(start_error("make a read-only mount of the init"))?;
    EXECUTABLE.set(sealed).or(Ok(()))
}

/// The file that containers' inits are executed from.
pub(super) fn own() -> Result<&'static OwnedFd, SandboxError> {
    if let Some(executable) = EXECUTABLE.get() {
        return Ok(executable);
    }
    let executable = match find_own().map(|path| seal(&path)) {
        Some(Ok(sealed)) => sealed,
        // Replaced or removed since it was started, or on a mount that may not be cloned.
        _ => copy().map_err(start_error("copy the rbuild program to memory"))?,
    };
    Ok(EXECUTABLE.get_or_init(|| executable))
}

/// Its path, if this program is still there: the kernel's own link to it leads to the mount namespace that it was
/// started in, which an ordinary user has left.
fn find_own() -> Option<std::path::PathBuf> {
    let path = std::fs::read_link(OWN).ok()?;
    let (own, found) = (rustix::fs::stat(OWN).ok()?, rustix::fs::stat(&path).ok()?);
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
fn copy() -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("rbuild", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut File::open(OWN)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(&copy, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(copy.into())
}
