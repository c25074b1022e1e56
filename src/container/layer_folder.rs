//! A layer of the store in a container's record: the path of its folder, whose name is its diffID.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ContainerError;
use crate::base::digest::DiffId;

/// A layer that a container stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct LayerFolder {
    diff_id: DiffId,
    path: PathBuf,
}

impl LayerFolder {
    /// Unpacked layers, from the store's folders.
    pub fn all(paths: Vec<PathBuf>) -> Result<Vec<Self>, ContainerError> {
        paths.into_iter().map(Self::try_from).collect()
    }

    /// Which layer it is.
    pub fn diff_id(&self) -> DiffId {
        self.diff_id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl TryFrom<PathBuf> for LayerFolder {
    type Error = ContainerError;

    fn try_from(path: PathBuf) -> Result<Self, ContainerError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match format!("sha256:{name}").parse() {
            Ok(diff_id) => Ok(Self { diff_id, path }),
            Err(_) => Err(ContainerError::NoLayerFolder { path }),
        }
    }
}

impl From<LayerFolder> for PathBuf {
    fn from(layer: LayerFolder) -> Self {
        layer.path
    }
}
