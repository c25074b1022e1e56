//! `cp`: copies files between a container and the host, as a tar stream between two processes.
//!
//! One of them is in the container's mount namespace, so that every path there, and every link on the way, is the
//! container's. If the container does not run, its files are mounted for this time, and it cannot be started meanwhile.

mod chunks;
mod ground;
mod inside;
mod pack;
mod place;
mod remote;
mod unpack;

use std::ffi::CStr;

use place::Place;
pub use remote::{Copied, copy_from, copy_into, copy_stream_into, look_at, serve_as_copier};

/// The only extended attribute that is copied.
const CAPABILITY: &CStr = c"security.capability";

const BUFFER: usize = 1 << 16;

/// Whose what is unpacked will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Owners {
    /// Whoever unpacks it.
    Own,
    /// Those of the stream.
    Kept,
    /// A user and a group.
    Given(u32, u32),
}

/// How an archive is unpacked in a container.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Unpacking {
    /// Whose the copies are.
    pub owners: Owners,
    /// A folder gives way to what is none, and the other way round.
    pub replaces_folders: bool,
}

/// Why something can't be copied; the error may be from the process in the container.
#[derive(Debug, Clone, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct CopyError(pub String);

/// What is at a path in a container.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PathStat {
    /// The last name of the path.
    #[serde(with = "crate::container::sandbox::os_bytes")]
    pub name: std::path::PathBuf,
    /// Bytes.
    pub size: u64,
    /// The kernel's `st_mode`.
    pub mode: u32,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    /// Only for a symbolic link.
    #[serde(with = "crate::container::sandbox::os_bytes")]
    pub target: std::path::PathBuf,
}

impl CopyError {
    /// Whether nothing exists at the path.
    pub fn is_missing(&self) -> bool {
        self.0.starts_with("could not find the file")
    }

    fn new(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self(format!("could not find the file {}", path.display())),
            _ => Self(format!("cannot {action} {}: {error}", path.display())),
        }
    }
}
