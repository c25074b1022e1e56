//! What is mounted in a container, in the words of docker's `Mounts`, with what docker's daemon keeps to itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::layer_folder::LayerFolder;
use crate::container::sandbox::TmpfsOptions;

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
    /// Of a volume: how it is made and filled.
    #[serde(skip_serializing_if = "VolumeUse::is_default")]
    pub volume: VolumeUse,
    /// Of an image: what of it is shown.
    #[serde(skip_serializing_if = "ImageUse::is_default")]
    pub image: ImageUse,
    /// How far `ro` reaches into what is mounted below the source.
    #[serde(skip_serializing_if = "ReadOnlyDepth::is_default")]
    pub read_only_depth: ReadOnlyDepth,
    /// What is mounted below the source stays out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_recursive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<TmpfsOptions>,
    /// It was not asked for with `-v` or `--mount` but by `--tmpfs`, which docker does not list.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// What a container asks of a volume beyond its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUse {
    /// It does not begin with what the image has at its place.
    pub no_copy: bool,
    /// Only this folder of it is mounted.
    pub subpath: String,
    /// Of the driver, for a volume that is made.
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

impl VolumeUse {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The files of an image in another's container, which can only be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageUse {
    pub id: String,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerFolder>,
    /// Only this folder or file of it is shown.
    pub subpath: String,
}

impl ImageUse {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadOnlyDepth {
    /// All of it.
    #[default]
    Recursive,
    /// The mount itself; what is below it stays as it is (`bind-recursive=writable`).
    Shallow,
}

impl ReadOnlyDepth {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    #[default]
    Bind,
    /// Without a name until the container is made: one of its own.
    Volume,
    Tmpfs,
    Image,
}
