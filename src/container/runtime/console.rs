//! The socket on which a runtime hands over a program's terminal (runc's `--console-socket`).

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::RuntimeError;
use crate::base::io_error::AtPath;
use crate::container::sandbox;

/// The socket is removed on drop.
pub(super) struct Console {
    listener: UnixListener,
    /// The path of a socket is limited to 108 bytes (unix(7)), so it is reached through a descriptor of its folder.
    folder: OwnedFd,
    path: PathBuf,
    name: String,
}

impl Console {
    pub(super) fn listen(folder: &Path) -> Result<Self, RuntimeError> {
        // Several programs may be started in one container at once.
        let name = format!("console-{}", std::process::id());
        let path = folder.join(&name);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(folder, flags, Mode::empty()).at("open", folder)?;
        // Left behind by a killed process with the same PID.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(short("self", &handle, &name)).at("listen at", &path)?;
        Ok(Self { listener, folder: handle, path, name })
    }

    /// For the runtime, which is another process.
    pub(super) fn address(&self) -> PathBuf {
        short(&std::process::id().to_string(), &self.folder, &self.name)
    }

    /// The terminal, which the runtime has already sent to the socket.
    pub(super) fn receive(&self) -> Result<OwnedFd, RuntimeError> {
        self.listener.set_nonblocking(true).at("listen at", &self.path)?;
        let (stream, _) = self.listener.accept().at("receive the terminal at", &self.path)?;
        Ok(sandbox::receive_descriptor(&stream).at("receive the terminal at", &self.path)?)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may not exist.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn short(process: &str, folder: &OwnedFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/fd/{}/{name}", folder.as_raw_fd()))
}
