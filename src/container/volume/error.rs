//! Errors of volumes.

use std::path::PathBuf;

use crate::base::io_error::IoError;

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error(transparent)]
    Io(#[from] IoError),
    #[error("no such volume: {name}")]
    NotFound { name: String },
    #[error(
        "`{name}` includes invalid characters for a local volume name, only `[a-zA-Z0-9][a-zA-Z0-9_.-]` are allowed"
    )]
    BadName { name: String },
    /// Other drivers than `local` are plugins, which need docker's daemon.
    #[error("there is no volume driver `{driver}`: volumes are `local`, folders of this machine")]
    Driver { driver: String },
    #[error("missing required option: {key:?}")]
    MissingOption { key: &'static str },
    #[error("invalid option: {key:?}")]
    UnknownOption { key: String },
    #[error("invalid option for the local volume driver: {what}")]
    Option { what: String },
    #[error("volume {name} is in use: {}", containers.join(", "))]
    InUse { name: String, containers: Vec<String> },
    #[error("the record of a volume, `{}`, can't be read", path.display())]
    DamagedRecord {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl VolumeError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::BadName { .. } => Some("to mount a folder of the host, write its absolute path"),
            Self::Driver { .. } => Some("there is `local`"),
            Self::InUse { .. } => Some("remove the containers first"),
            Self::DamagedRecord { .. } => Some("`rbuild system check --repair` writes a new one and keeps the files"),
            Self::NotFound { .. } => Some("`rbuild volume ls` lists the volumes"),
            _ => None,
        }
    }
}
