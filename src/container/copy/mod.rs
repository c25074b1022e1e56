//! `cp`: files between a container and the host, as a tar stream between two processes.
//!
//! One of them is in the container's mount namespace, so that every path there, and every link on the way, is the
//! container's. A container that does not run has its files mounted for that long, and cannot be started meanwhile.

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

/// The one extended attribute that goes over.
const CAPABILITY: &CStr = c"security.capability";

const BUFFER: usize = 1 << 16;

/// Why something can't be copied; it may have happened in the container.
#[derive(Debug, Clone, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct CopyError(pub String);

/// What is at a path of a container.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PathStat {
    #[serde(with = "crate::container::sandbox::os_bytes")]
    pub name: std::path::PathBuf,
    pub size: u64,
    /// The kernel's `st_mode`.
    pub mode: u32,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    /// Of a symbolic link.
    #[serde(with = "crate::container::sandbox::os_bytes")]
    pub target: std::path::PathBuf,
}

impl CopyError {
    /// Nothing is at the path.
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
