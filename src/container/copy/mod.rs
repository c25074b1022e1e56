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
pub use remote::{Copied, copy_from, copy_into, copy_stream_into};

/// The one extended attribute that goes over.
const CAPABILITY: &CStr = c"security.capability";

const BUFFER: usize = 1 << 16;

/// Why something can't be copied; it may have happened in the container.
#[derive(Debug, Clone, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("{0}")]
pub struct CopyError(pub String);

impl CopyError {
    fn new(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self(format!("could not find the file {}", path.display())),
            _ => Self(format!("cannot {action} {}: {error}", path.display())),
        }
    }
}
