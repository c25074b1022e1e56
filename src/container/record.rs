//! What is kept of a container, in the words of docker's inspect.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::ContainerError;
use crate::digest::DiffId;
use crate::image::RunConfig;
use crate::io_error::AtPath;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    pub id: String,
    /// With a slash before it, as docker has it.
    pub name: String,
    pub created: jiff::Timestamp,
    /// The program, and its arguments.
    pub path: String,
    pub args: Vec<String>,
    /// `sha256:...`
    pub image: String,
    pub state: State,
    /// The image's config with what the user said instead.
    pub config: RunConfig,
    /// How the image was named.
    pub image_name: String,
    pub hostname: String,
    pub tty: bool,
    pub open_stdin: bool,
    pub auto_remove: bool,
    pub network_mode: String,
    pub privileged: bool,
    #[serde(rename = "ReadonlyRootfs")]
    pub read_only: bool,
    /// The folders of the image's layers, the lowest first.
    pub layers: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running` or `exited`.
    pub status: String,
    pub exit_code: u8,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub error: String,
    pub pid: i32,
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
}

impl Record {
    pub(super) fn read(path: &Path) -> Result<Self, ContainerError> {
        let bytes = std::fs::read(path).at("read", path)?;
        serde_json::from_slice(&bytes).map_err(|source| ContainerError::DamagedRecord { path: path.to_owned(), source })
    }

    /// Replaces the record at once: a reader sees the old one or the new one.
    pub(super) fn write(&self, path: &Path) -> Result<(), ContainerError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|source| ContainerError::DamagedRecord { path: path.to_owned(), source })?;
        let temporary = path.with_extension("new");
        std::fs::write(&temporary, bytes).at("write", &temporary)?;
        std::fs::rename(&temporary, path).at("rename", &temporary)?;
        Ok(())
    }

    /// The image's layers, the lowest first: their folders are called by them.
    pub fn diff_ids(&self) -> Vec<DiffId> {
        let name = |folder: &String| Path::new(folder).file_name()?.to_str().map(|hex| format!("sha256:{hex}"));
        self.layers.iter().filter_map(|folder| name(folder)?.parse().ok()).collect()
    }

    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}
