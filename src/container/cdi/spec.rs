//! The format of a specification file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// A specification of devices of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(default)]
    pub cdi_version: String,
    /// `vendor.com/class`
    pub kind: String,
    #[serde(default)]
    pub annotations: BTreeMap<String, Value>,
    pub devices: Vec<SpecDevice>,
    /// For every container that gets any of the devices.
    #[serde(default)]
    pub container_edits: Edits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpecDevice {
    pub name: String,
    #[serde(default)]
    pub annotations: BTreeMap<String, Value>,
    #[serde(default)]
    pub container_edits: Edits,
}

/// What a container needs to use a device.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Edits {
    /// `NAME=value`
    pub env: Vec<String>,
    pub device_nodes: Vec<DeviceNode>,
    pub mounts: Vec<Mount>,
    /// Supplementary groups of the process.
    #[serde(rename = "additionalGids", alias = "additionalGIDs")]
    pub additional_gids: Vec<u32>,
    hooks: Vec<Hook>,
    intel_rdt: Option<Value>,
    net_devices: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceNode {
    /// In the container.
    pub path: PathBuf,
    /// On the host, if it differs.
    #[serde(default)]
    pub host_path: Option<PathBuf>,
    /// `b`, `c`, `u` or `p`; the host's by default.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub major: Option<u32>,
    #[serde(default)]
    pub minor: Option<u32>,
    #[serde(default)]
    pub file_mode: Option<u32>,
    /// Of `r`, `w` and `m`; all by default.
    #[serde(default)]
    pub permissions: Option<String>,
    #[serde(default)]
    pub uid: Option<u32>,
    #[serde(default)]
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    pub host_path: PathBuf,
    pub container_path: PathBuf,
    /// In mount(8)'s form: `ro`, `nosuid`, `rbind`.
    #[serde(default)]
    pub options: Vec<String>,
    #[serde(default, rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hook {
    hook_name: String,
    #[serde(default)]
    path: PathBuf,
}

impl DeviceNode {
    /// The path on the host.
    pub fn host(&self) -> &PathBuf {
        self.host_path.as_ref().unwrap_or(&self.path)
    }
}

impl Mount {
    pub fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro" || option == "rro")
    }

    pub fn is_recursive(&self) -> bool {
        self.options.iter().any(|option| option == "rbind")
    }
}

impl Edits {
    pub(super) fn extend(&mut self, other: &Self) {
        self.env.extend_from_slice(&other.env);
        self.device_nodes.extend_from_slice(&other.device_nodes);
        self.mounts.extend_from_slice(&other.mounts);
        self.additional_gids.extend_from_slice(&other.additional_gids);
        self.hooks.extend_from_slice(&other.hooks);
        self.intel_rdt = self.intel_rdt.take().or_else(|| other.intel_rdt.clone());
        self.net_devices.extend_from_slice(&other.net_devices);
    }

    /// Describes an edit that is not supported here, if there is one.
    pub(super) fn unsupported(&self) -> Option<String> {
        if let Some(hook) = self.hooks.first() {
            return Some(format!("the {} hook `{}`", hook.hook_name, hook.path.display()));
        }
        if self.intel_rdt.is_some() {
            return Some("a class of Intel's RDT".to_owned());
        }
        (!self.net_devices.is_empty()).then(|| "a network interface of the host".to_owned())
    }
}
