//! What a container may use of its host, in the words of docker's `HostConfig`: the whole of what was asked for, so
//! that a later `start` needs nothing else. A number that is zero, and a text or list that is empty, was not asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// `-v` as typed, with absolute sources. What is mounted is in the record's `mounts`.
    pub binds: Vec<String>,
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    pub log_config: LogConfig,
    /// `bridge`, `host`, `none`, `container:ID` or a network's name.
    pub network_mode: String,
    /// From `80/tcp` to where it is published.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub volume_driver: String,
    pub volumes_from: Vec<String>,
    /// Rows and columns that the terminal begins with.
    pub console_size: [u16; 2],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// `private` or `host`.
    pub cgroupns_mode: String,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    /// `NAME:IP`
    pub extra_hosts: Vec<String>,
    pub group_add: Vec<String>,
    /// `private`, `shareable`, `host`, `none` or `container:ID`.
    pub ipc_mode: String,
    pub cgroup: String,
    /// `NAME:ALIAS`
    pub links: Vec<String>,
    pub oom_score_adj: i32,
    /// Empty for its own, `host` or `container:ID`.
    pub pid_mode: String,
    pub privileged: bool,
    pub publish_all_ports: bool,
    pub readonly_rootfs: bool,
    /// `no-new-privileges`, `seccomp=unconfined`, `seccomp=` with the profile's JSON itself, `systempaths=unconfined`.
    pub security_opt: Vec<String>,
    pub storage_opt: BTreeMap<String, String>,
    /// From the place to mount(8)'s options: `--tmpfs`.
    pub tmpfs: BTreeMap<String, String>,
    /// Empty for its own, or `host`.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    pub userns_mode: String,
    /// Bytes of `/dev/shm`.
    pub shm_size: u64,
    pub sysctls: BTreeMap<String, String>,
    /// Empty for rbuild's own.
    pub runtime: String,
    /// `chroot`; or as it was said, where that came to the usual, which is full.
    pub isolation: String,
    #[serde(flatten)]
    pub resources: Resources,
    /// `--mount` as it was understood, in docker's words.
    pub mounts: Vec<Value>,
    /// What is hidden and what can't be written to; nothing for docker's lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readonly_paths: Option<Vec<String>>,
    /// A small init before the program; nothing was said about it when it is `None`.
    pub init: Option<bool>,
}

/// What `update` can change, and the rest of docker's `Resources`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Resources {
    pub cpu_shares: u64,
    /// Bytes.
    pub memory: u64,
    /// Billionths of a processor.
    pub nano_cpus: u64,
    pub cgroup_parent: String,
    pub blkio_weight: u16,
    pub blkio_weight_device: Vec<WeightDevice>,
    pub blkio_device_read_bps: Vec<ThrottleDevice>,
    pub blkio_device_write_bps: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<ThrottleDevice>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<ThrottleDevice>,
    /// Microseconds.
    pub cpu_period: u64,
    /// Microseconds.
    pub cpu_quota: i64,
    pub cpu_realtime_period: u64,
    pub cpu_realtime_runtime: i64,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub devices: Vec<DeviceMapping>,
    pub device_cgroup_rules: Vec<String>,
    pub device_requests: Vec<DeviceRequest>,
    pub memory_reservation: u64,
    /// Bytes of memory and swap together; -1 is unlimited.
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    /// Nothing, or not above zero, for no limit.
    pub pids_limit: Option<i64>,
    pub ulimits: Vec<Ulimit>,
}

impl Resources {
    /// Puts what is said here in the place of what was there: what is zero or empty says nothing.
    pub fn add_to(&self, other: &mut Self) {
        fn set<T: Clone + Default + PartialEq>(place: &mut T, value: &T) {
            if *value != T::default() {
                *place = value.clone();
            }
        }
        set(&mut other.cpu_shares, &self.cpu_shares);
        set(&mut other.memory, &self.memory);
        set(&mut other.nano_cpus, &self.nano_cpus);
        set(&mut other.blkio_weight, &self.blkio_weight);
        set(&mut other.cpu_period, &self.cpu_period);
        set(&mut other.cpu_quota, &self.cpu_quota);
        set(&mut other.cpu_realtime_period, &self.cpu_realtime_period);
        set(&mut other.cpu_realtime_runtime, &self.cpu_realtime_runtime);
        set(&mut other.cpuset_cpus, &self.cpuset_cpus);
        set(&mut other.cpuset_mems, &self.cpuset_mems);
        set(&mut other.memory_reservation, &self.memory_reservation);
        set(&mut other.memory_swap, &self.memory_swap);
        set(&mut other.pids_limit, &self.pids_limit);
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// `json-file`, `local` or `none`; empty for the usual, `json-file`.
    #[serde(rename = "Type")]
    pub driver: String,
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    #[serde(rename = "HostIp")]
    pub host_ip: String,
    /// A number, a range, or nothing for any free port.
    pub host_port: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no` (or nothing), `always`, `unless-stopped` or `on-failure`.
    pub name: String,
    /// Of `on-failure`; zero for no end.
    pub maximum_retry_count: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ThrottleDevice {
    pub path: String,
    pub rate: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Of `rwm`.
    pub cgroup_permissions: String,
}

/// `--gpus`, and devices named by CDI (driver `cdi`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceRequest {
    pub driver: String,
    pub count: i64,
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Vec<String>,
    pub capabilities: Vec<Vec<String>>,
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    pub name: String,
    /// -1 is unlimited.
    pub hard: i64,
    pub soft: i64,
}
