//! What is stored about a container for as long as it exists, in the words of docker's inspect (`config.json`).
//!
//! It is written when the container is created, and rewritten only by `rename`, `update`, `network connect` and
//! `network disconnect`. How the container runs is in its [`State`](super::State).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ContainerError;
use super::host_config::HostConfig;
use super::layer_folder::LayerFolder;
use super::mounts::MountPoint;
use crate::base::digest::DiffId;
use crate::base::io_error::AtPath;
use crate::image::RunConfig;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct Record {
    pub id: String,
    /// With a leading slash, as docker has it.
    pub name: String,
    pub created: jiff::Timestamp,
    /// The program; its arguments follow.
    pub path: String,
    pub args: Vec<String>,
    /// `sha256:...`
    pub image: String,
    /// `linux`, or like `linux/arm64` if it is not the host's platform.
    #[serde(default)]
    pub platform: String,
    /// The image's config, overridden by the user's options.
    pub config: ContainerConfig,
    pub host_config: HostConfig,
    /// All mounts except `/proc`, `/dev`, `/sys` and the network's files.
    pub mounts: Vec<MountPoint>,
    /// The networks that it joins, by name; its endpoints there are in its state while it runs.
    pub networks: BTreeMap<String, EndpointConfig>,
    /// The image's layers, lowest first.
    pub layers: Vec<LayerFolder>,
}

/// docker's `Config` of a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct ContainerConfig {
    pub hostname: String,
    pub domainname: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    pub tty: bool,
    pub open_stdin: bool,
    /// Close stdin when the first attached client detaches.
    pub stdin_once: bool,
    /// The name by which the image was given.
    pub image: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(flatten)]
    pub run: RunConfig,
}

/// A container's endpoint in a network, as configured: what docker's `EndpointSettings` has before the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct EndpointConfig {
    #[serde(rename = "IPAMConfig", skip_serializing_if = "Option::is_none")]
    pub ipam_config: Option<IpamConfig>,
    pub links: Vec<String>,
    pub aliases: Vec<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub gw_priority: i64,
    /// Only if one was requested.
    pub mac_address: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct IpamConfig {
    #[serde(rename = "IPv4Address", skip_serializing_if = "String::is_empty")]
    pub ipv4_address: String,
    #[serde(rename = "IPv6Address", skip_serializing_if = "String::is_empty")]
    pub ipv6_address: String,
    #[serde(rename = "LinkLocalIPs", skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
}

/// The container's endpoints while it runs: docker's `NetworkSettings`, made by `network`.
pub type NetworkSettings = BTreeMap<String, Value>;

impl Record {
    pub(super) fn read(path: &Path) -> Result<Self, ContainerError> {
        read_json(path)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), ContainerError> {
        write_json(self, path)
    }

    /// The image's layers, lowest first.
    pub fn diff_ids(&self) -> Vec<DiffId> {
        self.layers.iter().map(LayerFolder::diff_id).collect()
    }

    /// The folders of the unpacked layers.
    pub fn layer_paths(&self) -> Vec<PathBuf> {
        self.layers.iter().map(|layer| layer.path().to_owned()).collect()
    }

    /// All layers that it needs: its image's, and those of mounted images.
    pub fn needed_layers(&self) -> Vec<DiffId> {
        let mounted = self.mounts.iter().flat_map(|mount| &mount.image.layers);
        self.layers.iter().chain(mounted).map(LayerFolder::diff_id).collect()
    }

    /// Whether it was created from the image, or mounts it.
    pub fn uses_image(&self, id: &str) -> bool {
        self.image == id || self.mounts.iter().any(|mount| mount.image.id == id)
    }

    /// The first 12 digits of its ID.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Without the slash.
    pub fn plain_name(&self) -> &str {
        self.name.trim_start_matches('/')
    }
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ContainerError> {
    let bytes = std::fs::read(path).at("read", path)?;
    serde_json::from_slice(&bytes).map_err(|source| ContainerError::DamagedRecord { path: path.to_owned(), source })
}

/// Replaces the file atomically: a reader sees the old one or the new one.
pub(super) fn write_json<T: Serialize>(value: &T, path: &Path) -> Result<(), ContainerError> {
    let bytes =
        serde_json::to_vec(value).map_err(|source| ContainerError::DamagedRecord { path: path.to_owned(), source })?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&temporary, bytes).at("write", &temporary)?;
    std::fs::rename(&temporary, path).at("rename", &temporary)?;
    Ok(())
}
