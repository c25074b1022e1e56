//! What a container may use of its host: the whole of what was asked for, so that a later `start` needs nothing else.
//!
//! docker's JSON of it is read and written in [`document`] alone. A record that is kept is such a document, too.

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
pub struct HostConfig {
    /// `-v` as typed, with absolute sources. What is mounted is in the record's `mounts`.
    pub binds: Vec<String>,
    pub container_id_file: String,
    pub log_config: LogConfig,
    pub network_mode: NetworkMode,
    /// From `80/tcp` to where it is published.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: Vec<String>,
    /// Rows and columns that the terminal begins with.
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
    /// From the place to mount(8)'s options: `--tmpfs`.
    pub tmpfs: BTreeMap<String, String>,
    pub uts_mode: NamespaceMode,
    pub users: UsersMode,
    /// Bytes of `/dev/shm`; zero for the usual.
    pub shm_size: u64,
    pub sysctls: BTreeMap<String, String>,
    /// Empty for rbuild's own.
    pub runtime: String,
    pub isolation: AskedIsolation,
    pub resources: Resources,
    /// `--mount` as it was understood, in docker's words.
    pub mounts: Vec<Value>,
    /// What is hidden and what can't be written to; nothing for docker's lists.
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    /// A small init before the program; nothing was said about it when it is `None`.
    pub init: Option<bool>,
}

impl HostConfig {
    /// The containers whose network, memory and processes it shares, as they were named.
    pub fn joined_containers(&self) -> impl Iterator<Item = &str> {
        let named = [self.network_mode.container(), self.ipc_mode.container(), self.pid_mode.container()];
        named.into_iter().flatten()
    }
}
