//! Fields of docker's `info` in addition to rbuild's own: those that scripts query, with this machine's values.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::container::cdi;
use crate::container::sandbox::{Controllers, machine_memory};
use crate::engine::version;
use crate::store::Store;

/// The order of docker's fields; rbuild's own follow.
const ORDER: &str = "ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus \
    Plugins MemoryLimit SwapLimit KernelMemoryTCP CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit IPv4Forwarding \
    Debug NFd OomKillDisable NGoroutines SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener \
    KernelVersion OperatingSystem OSVersion OSType Architecture IndexServerAddress RegistryConfig NCPU MemTotal \
    GenericResources DockerRootDir HttpProxy HttpsProxy NoProxy Name Labels ExperimentalBuild ServerVersion Runtimes \
    DefaultRuntime Swarm LiveRestoreEnabled Isolation InitBinary ContainerdCommit RuncCommit InitCommit \
    SecurityOptions FirewallBackend CDISpecDirs DiscoveredDevices Containerd Warnings ClientInfo";

/// The same fields, in docker's order.
pub fn in_order(mut facts: Map<String, Value>) -> Map<String, Value> {
    let known = ORDER.split(' ').filter_map(|key| facts.shift_remove_entry(key)).collect::<Map<_, _>>();
    known.into_iter().chain(facts).collect()
}

/// The fields of docker's `system.Info` that apply here. Those of swarm and plugins say that there are none.
pub fn facts(store: &Store, controllers: Option<&Controllers>) -> Map<String, Value> {
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
        "MemTotal": machine_memory(),
        "GenericResources": null,
        "HttpProxy": variable("http_proxy"),
        "HttpsProxy": variable("https_proxy"),
        "NoProxy": variable("no_proxy"),
        "Labels": [],
    });
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    object(facts).into_iter().chain(object(of_daemons())).collect()
}

/// What docker reports about its daemon, its components and its settings.
fn of_daemons() -> Value {
    let client = &version::facts()["Client"];
    json!({
        // A daemon's own descriptors, threads and listeners.
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": 0,
        "BridgeNfIptables": setting("/proc/sys/net/bridge/bridge-nf-call-iptables") == "1",
        "BridgeNfIp6tables": setting("/proc/sys/net/bridge/bridge-nf-call-ip6tables") == "1",
        "KernelMemoryTCP": false,
        "RegistryConfig": registries(),
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "CDISpecDirs": cdi::FOLDERS,
        "Containerd": {"Address": "", "Namespaces": {"Containers": "", "Plugins": ""}},
        "FirewallBackend": {"Driver": "nftables"},
        "DiscoveredDevices": null,
        "ExperimentalBuild": false,
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
        // Containers keep running when the process that started them ends.
        "LiveRestoreEnabled": true,
        "InitBinary": "rbuild",
        "Warnings": null,
        "ClientInfo": {
            "Debug": false, "Platform": client["Platform"], "Version": client["Version"],
            "DefaultAPIVersion": client["DefaultAPIVersion"], "GitCommit": client["GitCommit"], "GoVersion": "",
            "Os": client["Os"], "Arch": client["Arch"], "BuildTime": "", "Context": "default", "Plugins": [],
            "Warnings": null,
        },
    })
}

/// Docker's own registry; other registries and mirrors are in the files that `docs/registries.md` names.
fn registries() -> Value {
    json!({
        "IndexConfigs": {"docker.io": {"Mirrors": [], "Name": "docker.io", "Official": true, "Secure": true}},
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "Mirrors": null,
    })
}

fn setting(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Docker generates one for each engine; the machine's own is used instead.
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
