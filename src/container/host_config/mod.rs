//! What a container may use of its host: everything that was requested, so that a later `start` needs nothing else.
//!
//! Only [`document`] reads and writes docker's JSON of it. The stored record uses that form, too.

mod document;
mod error;
mod modes;
mod policies;
mod resources;
mod security;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::sandbox::{AskedIsolation, UsersMode};

pub use document::{HostConfigDocument, RestartPolicyDocument};
pub use error::HostConfigError;
pub use modes::{IpcMode, NamespaceMode, NetworkMode};
pub use policies::{LogConfig, LogDriver, RestartPolicy};
pub use resources::{DeviceMapping, DeviceRequest, PortBinding, Resources, ThrottleDevice, Ulimit, WeightDevice};
pub use security::{SecurityOption, SecurityRequest};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "HostConfigDocument", into = "HostConfigDocument")]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct HostConfig {
    /// `-v` as typed, with absolute sources. The actual mounts are in the record's `mounts`.
    pub binds: Vec<String>,
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: NetworkMode,
    /// From a port like `80/tcp` to its bindings.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: Vec<String>,
    /// The terminal's initial rows and columns.
    pub console_size: [u16; 2],
    pub annotations: BTreeMap<String, String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub cgroupns_mode: NamespaceMode,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    /// `NAME:IP`
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    pub ipc_mode: IpcMode,
    pub cgroup: String,
    /// `NAME:ALIAS`
    pub links: Vec<String>,
    pub oom_score_adj: i32,
    pub pid_mode: NamespaceMode,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    pub security: Vec<SecurityOption>,
    pub storage_opt: BTreeMap<String, String>,
    /// From the mount point to mount(8)'s options: `--tmpfs`.
    pub tmpfs: BTreeMap<String, String>,
    pub uts_mode: NamespaceMode,
    pub users: UsersMode,
    /// Bytes of `/dev/shm`; 0 for the default.
    pub shm_size: u64,
    pub sysctls: BTreeMap<String, String>,
    /// Empty for rbuild's own.
    pub runtime: String,
    pub isolation: AskedIsolation,
    pub resources: Resources,
    /// `--mount` as parsed, in docker's words.
    pub mounts: Vec<Value>,
    /// Masked paths, and read-only paths below; `None` for docker's defaults.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    /// Whether to run a small init as PID 1; `None` if unset.
    pub init: Option<bool>,
}

impl HostConfig {
    /// The containers whose network, IPC and PID namespaces it joins, as named by the user.
    pub fn joined_containers(&self) -> impl Iterator<Item = &str> {
        let named = [self.network_mode.container(), self.ipc_mode.container(), self.pid_mode.container()];
        named.into_iter().flatten()
    }
}
