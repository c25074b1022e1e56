//! Limits, devices and ports, as plain numbers and names in docker's JSON: zero or empty means unset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// docker's `Resources`: what `update` can change, and the rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct Resources {
    pub cpu_shares: u64,
    /// Bytes.
    pub memory: u64,
    /// Billionths of a CPU.
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
    /// Bytes of memory plus swap; -1 is unlimited.
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    /// Unset, or not above zero, for no limit.
    pub pids_limit: Option<i64>,
    pub ulimits: Vec<Ulimit>,
}

impl Resources {
    /// Overrides the values in `other`, except by zero or empty ones.
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
        // No limit is stored as zero, however it was written.
        set(&mut other.pids_limit, &self.pids_limit.map(|limit| limit.max(0)));
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct PortBinding {
    #[serde(rename = "HostIp")]
    pub host_ip: String,
    /// A number, a range, or empty for any free port.
    pub host_port: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct WeightDevice {
    pub path: String,
    pub weight: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct ThrottleDevice {
    pub path: String,
    pub rate: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct DeviceMapping {
    pub path_on_host: String,
    pub path_in_container: String,
    /// Of `rwm`.
    pub cgroup_permissions: String,
}

/// `--gpus`, and devices named by CDI (driver `cdi`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
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
#[expect(missing_docs, reason = "the fields are docker's, under docker's names")]
pub struct Ulimit {
    pub name: String,
    /// -1 is unlimited.
    pub hard: i64,
    pub soft: i64,
}
