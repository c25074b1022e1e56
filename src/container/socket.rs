//! The socket of a container's monitor. The path of a socket is limited to 108 bytes (unix(7)), so it is reached
//! through a descriptor of its folder.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::ContainerError;
use crate::base::io_error::AtPath;

/// Its name in the container's folder.
const SOCKET: &str = "monitor.sock";

pub(super) fn listen(folder: &Path) -> Result<UnixListener, ContainerError> {
    remove(folder);
    let handle = open(folder)?;
    let listener = UnixListener::bind(name(&handle)).at("listen in", folder)?;
    listener.set_nonblocking(true).at("listen in", folder)?;
    Ok(listener)
}

pub(super) fn connect(folder: &Path) -> Result<UnixStream, ContainerError> {
    let handle = open(folder)?;
    Ok(UnixStream::connect(name(&handle)).at("reach the container's monitor in", folder)?)
}

/// Removes the socket of a monitor that has ended.
pub(super) fn remove(folder: &Path) {
    // It may not exist.
    let _ = std::fs::remove_file(folder.join(SOCKET));
}

pub(super) fn copy(stream: &UnixStream) -> Result<UnixStream, ContainerError> {
    Ok(stream.try_clone().at("copy", "a stream")?)
}

pub(super) fn open(folder: &Path) -> Result<OwnedFd, ContainerError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty()).at("open", folder)?)
}

fn name(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}
