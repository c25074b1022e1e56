//! What is mounted in a container, in the words of docker's `Mounts`, with what docker's daemon keeps to itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox::TmpfsOptions;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    #[serde(rename = "Type")]
    pub kind: MountKind,
    /// Of a volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// On the host; nothing for a tmpfs.
    pub source: PathBuf,
    /// Absolute.
    pub destination: PathBuf,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The options of `-v` as typed.
    pub mode: String,
    #[serde(rename = "RW")]
    pub writable: bool,
    pub propagation: String,
    /// A missing source becomes a folder (`-v` does that, `--mount` does not).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_source: bool,
    /// What is mounted below the source stays out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<TmpfsOptions>,
    /// It was not asked for with `-v` or `--mount` but by `--tmpfs`, which docker does not list.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    #[default]
    Bind,
    /// Without a source: a folder of the container's own, which begins with what the image has there.
    Volume,
    Tmpfs,
}
