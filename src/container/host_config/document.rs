//! docker's JSON of a host configuration: the only place that converts between it and [`HostConfig`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::HostConfig;
use super::error::HostConfigError;
use super::modes::{IpcMode, NamespaceMode, NetworkMode};
use super::policies::{LogConfig, RestartPolicy};
use super::resources::{PortBinding, Resources};
use crate::container::{runtime, sandbox};

/// docker's `HostConfig`; the fields of [`HostConfig`] are documented there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfigDocument {
    binds: Vec<String>,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfigDocument,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<PortBinding>>,
    restart_policy: RestartPolicyDocument,
    auto_remove: bool,
    volume_driver: String,
    volumes_from: Vec<String>,
    console_size: [u16; 2],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    cgroupns_mode: String,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Vec<String>,
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: String,
    links: Vec<String>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Vec<String>,
    storage_opt: BTreeMap<String, String>,
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    shm_size: u64,
    sysctls: BTreeMap<String, String>,
    runtime: String,
    isolation: String,
    #[serde(flatten)]
    resources: Resources,
    mounts: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readonly_paths: Option<Vec<String>>,
    init: Option<bool>,
}

/// docker's `LogConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LogConfigDocument {
    #[serde(rename = "Type")]
    driver: String,
    config: BTreeMap<String, String>,
}

/// docker's `RestartPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicyDocument {
    name: String,
    maximum_retry_count: i64,
}

impl TryFrom<RestartPolicyDocument> for RestartPolicy {
    type Error = HostConfigError;

    fn try_from(document: RestartPolicyDocument) -> Result<Self, HostConfigError> {
        let count = u32::try_from(document.maximum_retry_count);
        Self::of(&document.name, count.map_err(|_| HostConfigError::NegativeRetryCount)?)
    }
}

impl TryFrom<HostConfigDocument> for HostConfig {
    type Error = HostConfigError;

    fn try_from(document: HostConfigDocument) -> Result<Self, HostConfigError> {
        let mode = |what, word: &str| HostConfigError::Mode { what, word: word.to_owned() };
        let processes = NamespaceMode::of_processes(&document.pid_mode);
        let names = NamespaceMode::of_names(&document.uts_mode);
        let cgroups = NamespaceMode::of_cgroups(&document.cgroupns_mode);
        let users = document.userns_mode.parse();
        let isolation = document.isolation.parse();
        Ok(Self {
            log_config: LogConfig { driver: document.log_config.driver.parse()?, config: document.log_config.config },
            network_mode: match NetworkMode::of(&document.network_mode) {
                NetworkMode::Container(name) if name.is_empty() => return Err(HostConfigError::NoContainer),
                mode => mode,
            },
            restart_policy: document.restart_policy.try_into()?,
            cgroupns_mode: cgroups.ok_or_else(|| mode("cgroup namespace mode", &document.cgroupns_mode))?,
            ipc_mode: IpcMode::of(&document.ipc_mode).ok_or_else(|| mode("IPC mode", &document.ipc_mode))?,
            pid_mode: processes.ok_or_else(|| mode("PID mode", &document.pid_mode))?,
            uts_mode: names.ok_or_else(|| mode("UTS mode", &document.uts_mode))?,
            users: users.map_err(|_| mode("user namespace mode", &document.userns_mode))?,
            isolation: isolation.map_err(|_| HostConfigError::Isolation { word: document.isolation })?,
            security: document.security_opt.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            binds: document.binds,
            container_id_file: document.container_id_file,
            port_bindings: document.port_bindings,
            auto_remove: document.auto_remove,
            volume_driver: document.volume_driver,
            volumes_from: document.volumes_from,
            console_size: document.console_size,
            annotations: document.annotations,
            cap_add: document.cap_add,
            cap_drop: document.cap_drop,
            dns: document.dns,
            dns_options: document.dns_options,
            dns_search: document.dns_search,
            extra_hosts: document.extra_hosts,
            group_add: document.group_add,
            cgroup: document.cgroup,
            links: document.links,
            oom_score_adj: document.oom_score_adj,
            privileged: document.privileged,
            publish_all_ports: document.publish_all_ports,
            readonly_rootfs: document.readonly_rootfs,
            storage_opt: document.storage_opt,
            tmpfs: document.tmpfs,
            shm_size: document.shm_size,
            sysctls: document.sysctls,
            runtime: document.runtime,
            resources: document.resources,
            mounts: document.mounts,
            masked_paths: document.masked_paths,
            readonly_paths: document.readonly_paths,
            init: document.init,
        })
    }
}

impl From<HostConfig> for HostConfigDocument {
    fn from(host: HostConfig) -> Self {
        Self {
            log_config: LogConfigDocument {
                driver: host.log_config.driver.as_str().to_owned(),
                config: host.log_config.config,
            },
            network_mode: host.network_mode.word(),
            restart_policy: RestartPolicyDocument {
                name: host.restart_policy.name().to_owned(),
                maximum_retry_count: host.restart_policy.maximum_retries().into(),
            },
            cgroupns_mode: host.cgroupns_mode.word("private"),
            ipc_mode: host.ipc_mode.word(),
            pid_mode: host.pid_mode.word(""),
            uts_mode: host.uts_mode.word(""),
            userns_mode: host.users.to_string(),
            isolation: host.isolation.as_str().to_owned(),
            security_opt: host.security.iter().map(|option| option.as_str().to_owned()).collect(),
            binds: host.binds,
            container_id_file: host.container_id_file,
            port_bindings: host.port_bindings,
            auto_remove: host.auto_remove,
            volume_driver: host.volume_driver,
            volumes_from: host.volumes_from,
            console_size: host.console_size,
            annotations: host.annotations,
            cap_add: host.cap_add,
            cap_drop: host.cap_drop,
            dns: host.dns,
            dns_options: host.dns_options,
            dns_search: host.dns_search,
            extra_hosts: host.extra_hosts,
            group_add: host.group_add,
            cgroup: host.cgroup,
            links: host.links,
            oom_score_adj: host.oom_score_adj,
            privileged: host.privileged,
            publish_all_ports: host.publish_all_ports,
            readonly_rootfs: host.readonly_rootfs,
            storage_opt: host.storage_opt,
            tmpfs: host.tmpfs,
            shm_size: host.shm_size,
            sysctls: host.sysctls,
            runtime: host.runtime,
            resources: host.resources,
            mounts: host.mounts,
            masked_paths: host.masked_paths,
            readonly_paths: host.readonly_paths,
            init: host.init,
        }
    }
}

impl HostConfig {
    /// As in docker's `inspect`: with nulls for empty values, and its defaults for unset ones.
    pub fn describe(&self) -> Value {
        let mut value = serde_json::to_value(HostConfigDocument::from(self.clone())).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            complete(fields, self.privileged);
        }
        value
    }
}

const NULL_WHEN_EMPTY: [&str; 10] = [
    "Binds",
    "VolumesFrom",
    "CapAdd",
    "CapDrop",
    "ExtraHosts",
    "GroupAdd",
    "Links",
    "SecurityOpt",
    "DeviceCgroupRules",
    "DeviceRequests",
];

const GONE_WHEN_EMPTY: [&str; 5] = ["StorageOpt", "Tmpfs", "Sysctls", "Mounts", "Annotations"];

/// Fields that docker uses only on Windows.
const ALWAYS_ZERO: [&str; 4] = ["CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"];

fn complete(fields: &mut Map<String, Value>, is_privileged: bool) {
    for key in NULL_WHEN_EMPTY {
        if let Some(field) = fields.get_mut(key).filter(|field| is_empty(field)) {
            *field = Value::Null;
        }
    }
    for key in GONE_WHEN_EMPTY {
        if fields.get(key).is_some_and(is_empty) {
            fields.shift_remove(key);
        }
    }
    for (key, usual) in [("ShmSize", json!(64 << 20)), ("Runtime", json!(runtime::OWN))] {
        if fields.get(key).is_none_or(|value| *value == json!("") || *value == json!(0)) {
            fields.insert(key.to_owned(), usual);
        }
    }
    if fields.get("Init").is_some_and(Value::is_null) {
        fields.shift_remove("Init");
    }
    for key in ALWAYS_ZERO {
        fields.insert(key.to_owned(), json!(0));
    }
    // docker puts it after the runtime.
    let isolation = fields.shift_remove("Isolation").unwrap_or_else(|| json!(""));
    let place = fields.keys().position(|key| key == "Runtime").map_or(fields.len(), |place| place + 1);
    fields.shift_insert(place, "Isolation".to_owned(), isolation);
    // A privileged container has none, and docker shows that.
    for (key, usual) in [("MaskedPaths", json!(sandbox::masked_paths())), ("ReadonlyPaths", json!(sandbox::READ_ONLY))]
    {
        let usual = if is_privileged { Value::Null } else { usual };
        let own = fields.shift_remove(key).unwrap_or(usual);
        fields.insert(key.to_owned(), own);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: Value) -> Result<HostConfig, HostConfigError> {
        serde_json::from_value::<HostConfigDocument>(document).unwrap().try_into()
    }

    #[test]
    fn every_word_comes_back_as_it_was() {
        for (field, words) in [
            ("NetworkMode", &["bridge", "host", "none", "container:a", "net"][..]),
            ("IpcMode", &["private", "shareable", "host", "none", "container:a"]),
            ("PidMode", &["", "host", "container:a"]),
            ("UTSMode", &["", "host"]),
            ("CgroupnsMode", &["private", "host"]),
            ("UsernsMode", &["", "host", "remap", "remap:5:6"]),
            ("Isolation", &["", "default", "Default", "auto", "full", "chroot"]),
        ] {
            for word in words {
                let host = read(json!({field: word})).unwrap();
                assert_eq!(host.describe()[field], *word, "{field}");
                let kept: HostConfig = serde_json::from_value(serde_json::to_value(&host).unwrap()).unwrap();
                assert_eq!(kept, host, "{field} {word}");
            }
        }
        let options = json!(["no-new-privileges:true", "seccomp=builtin", "label=disable", "apparmor=x"]);
        assert_eq!(read(json!({"SecurityOpt": options})).unwrap().describe()["SecurityOpt"], options);
        let policy = json!({"Name": "on-failure", "MaximumRetryCount": 3});
        assert_eq!(read(json!({"RestartPolicy": policy})).unwrap().describe()["RestartPolicy"], policy);
    }

    #[test]
    fn what_is_no_word_is_refused_as_docker_refuses_it() {
        for (document, said) in [
            (json!({"PidMode": "container:"}), "invalid PID mode: container:"),
            (json!({"IpcMode": "x"}), "invalid IPC mode: x"),
            (json!({"UTSMode": "container:x"}), "invalid UTS mode: container:x"),
            (json!({"CgroupnsMode": "x"}), "invalid cgroup namespace mode: x"),
            (json!({"UsernsMode": "x"}), "invalid user namespace mode: x"),
            (json!({"NetworkMode": "container:"}), "invalid container format container:<name|id>"),
            (json!({"RestartPolicy": {"Name": "x"}}), "unknown policy 'x'"),
            (json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 1}}), "only be used with 'on-failure'"),
            (json!({"LogConfig": {"Type": "x"}}), "no log driver named 'x' is registered"),
            (json!({"SecurityOpt": ["x"]}), "invalid --security-opt 2: \"x\""),
            (json!({"Isolation": "process"}), "invalid isolation (process): linux only supports 'default'"),
        ] {
            let error = read(document).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
