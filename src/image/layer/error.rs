use std::io;
use std::path::{Path, PathBuf};

use crate::base::io_error::IoError;
use crate::base::rights::NoRights;

/// Errors between a tar stream and a layer directory. Names of entries are shown lossily, because they may be any
/// bytes.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error(transparent)]
    NoRights(#[from] NoRights),
    #[error(transparent)]
    Io(#[from] IoError),
    /// The tar stream could not be read (or decompressed).
    #[error("cannot read the archive{}", after(entry))]
    Read {
        entry: String,
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the layer's tar stream")]
    Write(#[source] io::Error),
    #[error("the archive ends in the middle of entry `{entry}`")]
    Truncated { entry: String },
    #[error("entry `{entry}` of the archive is malformed: {reason}")]
    Malformed { entry: String, reason: &'static str },
    /// An entry that would reach outside the directory it is unpacked into.
    #[error("entry `{entry}` of the archive is not safe to unpack: {reason}")]
    Unsafe { entry: String, reason: &'static str },
    #[error("entry `{entry}` of the archive exceeds the limit of {limit} {what}")]
    Limit { entry: String, what: &'static str, limit: u64 },
    /// The owner has no mapping in this user namespace.
    #[error("entry `{entry}` belongs to {uid}:{gid}, which this user namespace cannot represent")]
    OwnerNotMapped { entry: String, uid: u32, gid: u32 },
    #[error("entry `{entry}` is a device node, which only root may create")]
    DeviceNotPermitted { entry: String },
    #[error("`{}` cannot be in a layer: names that begin with `.wh.` mean deletions there", path.display())]
    ReservedName { path: PathBuf },
    #[error("`{}` changed while its layer was being read", path.display())]
    Changed { path: PathBuf },
}

impl LayerError {
    /// True when the filesystem or a quota is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io(error) => error.is_no_space(),
            Self::Write(source) => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

/// An entry's name as shown in errors.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn after(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(" after entry `{entry}`") }
}
