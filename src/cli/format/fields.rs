//! What Go has where JSON has `null` or leaves a field out: the zero value of the field's type in docker's structs; and
//! the methods of strings with their own type (docker 28, `api/types`).

use serde_json::{Map, Value};

/// The zero value of a Go type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    List,
    Map,
    Text,
    Number,
    Bool,
    Pointer,
}

/// For containers, images, networks and volumes. Each name has a single type, except for those in [`zero`].
const LISTS: &[&str] = &[
    "Aliases",
    "Args",
    "Binds",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "CapAdd",
    "CapDrop",
    "Cmd",
    "ConsoleSize",
    "DNSNames",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "Entrypoint",
    "Env",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "Layers",
    "Links",
    "Manifests",
    "MaskedPaths",
    "Mounts",
    "OnBuild",
    "Peers",
    "ReadonlyPaths",
    "RepoDigests",
    "RepoTags",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
    "SecurityOpt",
    "Shell",
    "Test",
    "Ulimits",
    "VolumesFrom",
];
const MAPS: &[&str] = &[
    "Annotations",
    "AuxiliaryAddresses",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Services",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];
const TEXTS: &[&str] = &[
    "Author",
    "Cgroup",
    "CgroupParent",
    "CgroupnsMode",
    "Comment",
    "ConsoleName",
    "Container",
    "ContainerIDFile",
    "CpusetCpus",
    "CpusetMems",
    "CreatedAt",
    "DockerVersion",
    "Domainname",
    "Driver",
    "Gateway",
    "Hostname",
    "IPRange",
    "Image",
    "IpcMode",
    "Isolation",
    "MacAddress",
    "MountLabel",
    "Name",
    "NetworkMode",
    "OsVersion",
    "Parent",
    "PidMode",
    "ProcessLabel",
    "Propagation",
    "Runtime",
    "StopSignal",
    "UTSMode",
    "User",
    "UsernsMode",
    "Variant",
    "VolumeDriver",
    "WorkingDir",
];
const NUMBERS: &[&str] = &[
    "BlkioWeight",
    "CpuCount",
    "CpuPercent",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "CpuShares",
    "GwPriority",
    "IOMaximumBandwidth",
    "IOMaximumIOps",
    "KernelMemory",
    "KernelMemoryTCP",
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "NanoCpus",
    "OomScoreAdj",
    "StartInterval",
    "StartPeriod",
    "VirtualSize",
];
const BOOLS: &[&str] = &["ArgsEscaped", "NetworkDisabled"];
const POINTERS: &[&str] = &[
    "ClusterVolume",
    "Descriptor",
    "Health",
    "Healthcheck",
    "IPAMConfig",
    "ImageManifestDescriptor",
    "Init",
    "MemorySwappiness",
    "OomKillDisable",
    "PidsLimit",
    "SizeRootFs",
    "SizeRw",
    "StopTimeout",
    "UsageData",
];

/// Fields with a different name in Go and JSON.
const NAMES: &[(&str, &str)] = &[
    ("APIVersion", "ApiVersion"),
    ("HTTPProxy", "HttpProxy"),
    ("HTTPSProxy", "HttpsProxy"),
    ("CPUCfsPeriod", "CpuCfsPeriod"),
    ("CPUCfsQuota", "CpuCfsQuota"),
    ("CPUCount", "CpuCount"),
    ("CPUPercent", "CpuPercent"),
    ("CPUPeriod", "CpuPeriod"),
    ("CPUQuota", "CpuQuota"),
    ("CPURealtimePeriod", "CpuRealtimePeriod"),
    ("CPURealtimeRuntime", "CpuRealtimeRuntime"),
    ("CPUShares", "CpuShares"),
    ("DNS", "Dns"),
    ("DNSOptions", "DnsOptions"),
    ("DNSSearch", "DnsSearch"),
    ("ID", "Id"),
    ("NanoCPUs", "NanoCpus"),
];

/// The JSON name of a field, if it differs from the Go name.
pub(super) fn in_json(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(go, _)| *go == name).map(|(_, json)| *json)
}

/// The zero value of the field `name` of the value that is called `around`.
fn zero(around: &str, name: &str) -> Option<Zero> {
    Some(match (around, name) {
        ("LogConfig", "Config") | ("ClusterVolume" | "", "Status") => Zero::Map,
        ("IPAM", "Config") => Zero::List,
        ("", "Config") => Zero::Pointer,
        // The containers of a network; in `docker system df` it is a number.
        ("", "Containers") => Zero::Map,
        _ if LISTS.contains(&name) => Zero::List,
        _ if MAPS.contains(&name) => Zero::Map,
        _ if TEXTS.contains(&name) => Zero::Text,
        _ if NUMBERS.contains(&name) => Zero::Number,
        _ if BOOLS.contains(&name) => Zero::Bool,
        _ if POINTERS.contains(&name) => Zero::Pointer,
        _ => return None,
    })
}

/// The value of a field that JSON leaves out. With `as_json`, the JSON value: `null` for lists and maps.
pub(super) fn left_out(around: &str, name: &str, as_json: bool) -> Option<Value> {
    Some(match zero(around, name)? {
        Zero::List | Zero::Map if as_json => Value::Null,
        Zero::List => Value::Array(Vec::new()),
        Zero::Map => Value::Object(Map::new()),
        Zero::Text => Value::from(""),
        Zero::Number => Value::from(0),
        Zero::Bool => Value::from(false),
        Zero::Pointer => Value::Null,
    })
}

/// Go's value of a field with `null` in JSON: an empty list or map; for ports, lists. `None` if it is unchanged.
pub(super) fn filled(value: &Value, around: &str, name: &str) -> Option<Value> {
    match value {
        Value::Null => match zero(around, name)? {
            Zero::List => Some(Value::Array(Vec::new())),
            Zero::Map => Some(Value::Object(Map::new())),
            _ => None,
        },
        Value::Object(ports) if matches!(name, "Ports" | "PortBindings") && ports.values().any(Value::is_null) => {
            let filled = |value: &Value| if value.is_null() { Value::Array(Vec::new()) } else { value.clone() };
            Some(Value::Object(ports.iter().map(|(port, value)| (port.clone(), filled(value))).collect()))
        }
        _ => None,
    }
}

/// The result of a method without arguments on the value that is called `around`.
pub(super) fn method(value: &Value, around: &str, name: &str) -> Option<Value> {
    match value {
        Value::Object(fields) if around == "RestartPolicy" => {
            let policy = fields.get("Name").and_then(Value::as_str).unwrap_or_default();
            let is = match name {
                "IsNone" => matches!(policy, "no" | ""),
                "IsAlways" => policy == "always",
                "IsOnFailure" => policy == "on-failure",
                "IsUnlessStopped" => policy == "unless-stopped",
                _ => return None,
            };
            Some(Value::from(is))
        }
        Value::String(text) => of_mode(text, around, name).or_else(|| of_port(text, name)),
        _ => None,
    }
}

fn of_mode(text: &str, around: &str, name: &str) -> Option<Value> {
    let container = text.strip_prefix("container:");
    let is_named = |names: &[&str]| names.contains(&text);
    Some(match (around, name) {
        ("NetworkMode" | "IpcMode" | "PidMode" | "UTSMode" | "UsernsMode" | "CgroupnsMode", "IsHost") => {
            Value::from(text == "host")
        }
        ("NetworkMode" | "IpcMode" | "PidMode" | "Cgroup", "IsContainer") => Value::from(container.is_some()),
        ("NetworkMode", "ConnectedContainer") | ("IpcMode" | "PidMode" | "Cgroup", "Container") => {
            Value::from(container.unwrap_or_default())
        }
        ("NetworkMode" | "IpcMode", "IsNone") => Value::from(text == "none"),
        ("NetworkMode", "IsDefault") => Value::from(text == "default"),
        ("Isolation", "IsDefault") => Value::from(is_named(&["default", ""])),
        ("NetworkMode", "IsBridge") => Value::from(text == "bridge"),
        ("NetworkMode", "IsPrivate") => Value::from(text != "host" && container.is_none()),
        ("NetworkMode", "IsUserDefined") => Value::from(is_user_defined(text)),
        ("NetworkMode", "UserDefined") => Value::from(if is_user_defined(text) { text } else { "" }),
        ("NetworkMode", "NetworkName") => Value::from(match container {
            Some(_) => "container",
            None => text,
        }),
        ("IpcMode" | "CgroupnsMode", "IsPrivate") => Value::from(text == "private"),
        ("PidMode" | "UTSMode" | "UsernsMode", "IsPrivate") => Value::from(text != "host" && container.is_none()),
        ("IpcMode", "IsShareable") => Value::from(text == "shareable"),
        ("IpcMode" | "CgroupnsMode", "IsEmpty") => Value::from(text.is_empty()),
        ("Isolation", "IsHyperV") => Value::from(text == "hyperv"),
        ("Isolation", "IsProcess") => Value::from(text == "process"),
        ("IpcMode", "Valid") => Value::from(
            is_named(&["", "none", "private", "host", "shareable"]) || container.is_some_and(|name| !name.is_empty()),
        ),
        ("PidMode", "Valid") => Value::from(is_named(&["", "host"]) || container.is_some_and(|name| !name.is_empty())),
        ("UTSMode" | "UsernsMode", "Valid") => Value::from(is_named(&["", "host"])),
        ("CgroupnsMode", "Valid") => Value::from(is_named(&["", "private", "host"])),
        ("Cgroup", "Valid") => Value::from(text.is_empty() || container.is_some()),
        _ => return None,
    })
}

fn is_user_defined(network: &str) -> bool {
    !matches!(network, "" | "default" | "bridge" | "host" | "none") && !network.starts_with("container:")
}

/// Docker's `nat.Port`, such as `80/tcp`: the type of the keys of `Ports`.
fn of_port(text: &str, name: &str) -> Option<Value> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_port = port.starts_with(|first: char| first.is_ascii_digit());
    match name {
        "Port" if is_port => Some(Value::from(port)),
        "Proto" if is_port => Some(Value::from(protocol)),
        "Int" if is_port => port.parse::<u32>().ok().map(Value::from),
        _ => None,
    }
}
