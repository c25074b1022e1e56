//! What docker's `info` says beside what rbuild has of its own: fields that scripts ask for, true of this machine.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::CliError;
use crate::sandbox::Controllers;
use crate::store::Store;

/// The fields of docker's `system.Info` that say something here. Those of swarms and plugins say that there are none.
pub fn facts(store: &Store, controllers: Option<&Controllers>) -> Result<Map<String, Value>, CliError> {
    let has = |name: &str| controllers.is_some_and(|found| found.names.iter().any(|known| known == name));
    let variable = |name: &str| {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        of(name).or_else(|| of(&name.to_uppercase())).unwrap_or_default()
    };
    let facts = json!({
        "ID": machine_id(),
        "DriverStatus": [["Backing Filesystem", filesystem(store.root())], ["userxattr", "true"]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": null,
            "Log": ["json-file", "local", "none"],
        },
        "MemoryLimit": has("memory"),
        "SwapLimit": has("memory"),
        "CpuCfsPeriod": has("cpu"),
        "CpuCfsQuota": has("cpu"),
        "CPUShares": has("cpu"),
        "CPUSet": has("cpuset"),
        "PidsLimit": has("pids"),
        "IPv4Forwarding": setting("/proc/sys/net/ipv4/ip_forward") == "1",
        "Debug": false,
        "OomKillDisable": false,
        "SystemTime": jiff::Timestamp::now().to_string(),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "OperatingSystem": release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        "OSVersion": release("VERSION_ID").unwrap_or_default(),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory(),
        "GenericResources": null,
        "HttpProxy": variable("http_proxy"),
        "HttpsProxy": variable("https_proxy"),
        "NoProxy": variable("no_proxy"),
        "Labels": [],
        "ExperimentalBuild": false,
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
        // Containers go on without whoever started them.
        "LiveRestoreEnabled": true,
        "InitBinary": "rbuild",
        "Warnings": null,
        "ClientInfo": {
            "Debug": false, "Version": env!("CARGO_PKG_VERSION"), "Context": "default", "Plugins": [], "Warnings": null,
        },
    });
    match facts {
        Value::Object(facts) => Ok(facts),
        _ => Ok(Map::new()),
    }
}

fn setting(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Docker makes one up for each engine; the machine has one.
fn machine_id() -> String {
    setting("/etc/machine-id")
}

/// A value of os-release(5).
fn release(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").or_else(|_| std::fs::read_to_string("/usr/lib/os-release"));
    let text = text.ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// All of the machine's, in bytes.
fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(info.mem_unit.into())
}

fn filesystem(path: &Path) -> &'static str {
    // linux/magic.h
    match rustix::fs::statfs(path).map_or(0, |found| found.f_type as u64) {
        0xef53 => "extfs",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlayfs",
        0x2fc1_2fc1 => "zfs",
        0x6573_5546 => "fuse",
        _ => "unknown",
    }
}
