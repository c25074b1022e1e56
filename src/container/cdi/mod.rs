//! The Container Device Interface (CDI's SPEC.md): devices that a host describes and containers request by name.
//!
//! Reads the specifications and returns what a container needs to use a device. Knows neither the sandbox nor builds:
//! both `RUN --device` and `run --device` apply the result.

mod registry;
mod spec;
mod yaml;

use std::path::PathBuf;

use crate::base::io_error::IoError;

pub use registry::{Device, FOLDERS, Registry, is_qualified_name};
pub use spec::{DeviceNode, Edits, Mount};

#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("the device description `{}` is not valid", path.display())]
    Format {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the device description `{}` is not valid: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error("users other than its owner may write to `{}` (mode {mode:o}), so rbuild ignores what it describes", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("`{}` belongs to user {owner}, so rbuild ignores what it describes", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    #[error("`{name}` is not a valid device name: write VENDOR/CLASS=NAME")]
    Name { name: String },
    #[error("there is no device `{name}`")]
    Unknown {
        name: String,
        /// The existing devices.
        known: Vec<String>,
        /// Why files could not be read: the device may be in one of them.
        broken: Vec<String>,
    },
    #[error("the device `{name}` is described twice: in `{}` and in `{}`", first.display(), second.display())]
    Conflict { name: String, first: PathBuf, second: PathBuf },
    #[error("the device `{name}` needs {what}, which rbuild does not support")]
    Unsupported { name: String, what: String },
}

impl CdiError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { broken, .. } if !broken.is_empty() => Some(broken.join("; ")),
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("describe it in a JSON or YAML file under /etc/cdi or /var/run/cdi".to_owned())
            }
            Self::Unknown { known, .. } => Some(format!("there are: {}", known.join(", "))),
            _ => None,
        }
    }
}
