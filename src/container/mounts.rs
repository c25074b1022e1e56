//! The mounts of a container, in the words of docker's `Mounts`, with what docker's daemon keeps internally.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::layer_folder::LayerFolder;
use crate::container::sandbox::TmpfsOptions;

/// Something mounted in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// What is mounted.
    #[serde(rename = "Type")]
    pub kind: MountKind,
    /// Only for volumes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// On the host; empty for a tmpfs.
    pub source: PathBuf,
    /// Absolute.
    pub destination: PathBuf,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The options of `-v`, as typed.
    pub mode: String,
    /// Whether programs may write.
    #[serde(rename = "RW")]
    pub writable: bool,
    /// How mounts in it spread.
    pub propagation: String,
    /// Whether a missing source is created as a folder (`-v` does that, `--mount` does not).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_source: bool,
    /// Only for volumes: how the volume is created and filled.
    #[serde(skip_serializing_if = "VolumeUse::is_default")]
    pub volume: VolumeUse,
    /// Only for images: what is shown of the image.
    #[serde(skip_serializing_if = "ImageUse::is_default")]
    pub image: ImageUse,
    /// Whether `ro` also applies to mounts below the source.
    #[serde(skip_serializing_if = "ReadOnlyDepth::is_default")]
    pub read_only_depth: ReadOnlyDepth,
    /// Mounts below the source are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_recursive: bool,
    /// How a tmpfs is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<TmpfsOptions>,
    /// It was requested by `--tmpfs` instead of `-v` or `--mount`; docker does not list it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// A container's options for a volume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUse {
    /// Don't fill it with what the image has at the mount point.
    pub no_copy: bool,
    /// Only this folder of the volume is mounted.
    pub subpath: String,
    /// Options of the driver, if the volume is created.
    pub options: BTreeMap<String, String>,
    /// The labels of a volume that is made.
    pub labels: BTreeMap<String, String>,
}

impl VolumeUse {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The files of an image, mounted read-only in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageUse {
    /// The image's ID.
    pub id: String,
    /// Its layers, lowest first.
    pub layers: Vec<LayerFolder>,
    /// Only this folder or file of the image is shown.
    pub subpath: String,
}

impl ImageUse {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How deep a mount is read-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadOnlyDepth {
    /// All mounts below, too.
    #[default]
    Recursive,
    /// Only the mount itself; mounts below it stay writable (`bind-recursive=writable`).
    Shallow,
}

impl ReadOnlyDepth {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What can be mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A folder or file of the host.
    #[default]
    Bind,
    /// Without a name, until the container is created, it is an anonymous volume.
    Volume,
    /// Memory.
    Tmpfs,
    /// An image's files.
    Image,
}
