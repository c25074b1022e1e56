//! A container as docker's `inspect` shows it.

use serde_json::{Map, Value, json};

use crate::container::network::{Endpoint, NetworkRecord, Networks, describe_place, describe_ports};
use crate::container::{
    ContainerError, Entry, LogDriver, LogSettings, MountPoint, Record, SecurityRequest, Status, exec_ids, networks_of,
};
use crate::engine::image::describe::run_config;
use crate::engine::system::folder_size;
use crate::store::Store;
use crate::store::snapshot::View;

/// Everything about a container; with `size`, including the sizes of its files.
pub fn describe(store: &Store, entry: &Entry, size: bool) -> Result<Value, ContainerError> {
    let record = &entry.record;
    let file = |name: &str| entry.folder().join(name).display().to_string();
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    add("Id", json!(record.id));
    add("Created", json!(record.created.to_string()));
    add("Path", json!(record.path));
    add("Args", json!(record.args));
    add("State", state(entry)?);
    add("Image", json!(record.image));
    for (key, name) in [("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts")] {
        add(key, json!(file(name)));
    }
    add("LogPath", json!(log_path(entry)));
    add("Name", json!(record.name));
    add("RestartCount", json!(entry.state.restart_count));
    add("Driver", json!("overlay2"));
    add("Platform", json!(if record.platform.is_empty() { "linux" } else { &record.platform }));
    add("MountLabel", json!(""));
    add("ProcessLabel", json!(""));
    add("AppArmorProfile", json!(profile(entry)));
    let programs = exec_ids(entry);
    add("ExecIDs", if programs.is_empty() { Value::Null } else { json!(programs) });
    add("HostConfig", host_config(record));
    add("GraphDriver", graph_driver(entry));
    if size {
        let (own, root) = sizes(entry)?;
        add("SizeRw", json!(own));
        add("SizeRootFs", json!(root));
    }
    add("Mounts", mounts(record));
    add("Config", config(entry)?);
    let networks = networks_of(store.root());
    let live = if entry.state.pid != 0 { networks.of_container(&record.id)? } else { Vec::new() };
    add("NetworkSettings", network_settings(entry, &networks, &live));
    Ok(Value::Object(fields))
}

fn state(entry: &Entry) -> Result<Value, ContainerError> {
    use crate::container::Status;
    let state = &entry.state;
    let is = |status: Status| json!(state.status == status);
    let time =
        |time: Option<jiff::Timestamp>| json!(time.map_or("0001-01-01T00:00:00Z".to_owned(), |time| time.to_string()));
    let mut fields = json!({
        "Status": state.status.as_str(),
        "Running": state.status.is_alive(),
        "Paused": is(Status::Paused),
        "Restarting": is(Status::Restarting),
        "OOMKilled": state.oom_killed,
        "Dead": is(Status::Dead),
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(state.started_at),
        "FinishedAt": time(state.finished_at),
    });
    if let Some(health) = &state.health {
        fields["Health"] = serde_json::to_value(health).unwrap_or_default();
    }
    Ok(fields)
}

fn log_path(entry: &Entry) -> String {
    let driver = entry.record.host_config.log_config.driver;
    let settings = LogSettings::of(&entry.record, entry.folder()).ok().flatten();
    match settings.filter(|_| driver == LogDriver::JsonFile) {
        Some(settings) => settings.path.display().to_string(),
        None => String::new(),
    }
}

/// The requested profile, or the one with which it was started.
fn profile(entry: &Entry) -> &str {
    let asked = entry.record.host_config.security.iter().find_map(|option| match option.request() {
        SecurityRequest::AppArmorUnconfined => Some("unconfined"),
        SecurityRequest::AppArmorProfile(name) => Some(name),
        _ => None,
    });
    asked.unwrap_or(&entry.state.apparmor)
}

fn graph_driver(entry: &Entry) -> Value {
    let lower: Vec<_> = entry.record.layers.iter().rev().map(|layer| layer.path().to_string_lossy()).collect();
    let path = |name: &str| entry.folder().join(name).display().to_string();
    let data =
        json!({"ID": entry.record.id, "LowerDir": lower.join(":"), "UpperDir": path("upper"), "WorkDir": path("work")});
    json!({"Data": data, "Name": "overlay2"})
}

/// What its own files take, and what these and its image's do.
pub(super) fn sizes(entry: &Entry) -> Result<(u64, u64), ContainerError> {
    let own = folder_size(&entry.upper());
    Ok((own, root_size(entry)? + own))
}

fn root_size(entry: &Entry) -> Result<u64, ContainerError> {
    let view = View::open(&entry.record.layer_paths())?;
    Ok(size_below(&view, std::path::Path::new(""))?)
}

fn size_below(view: &View, folder: &std::path::Path) -> Result<u64, crate::base::io_error::IoError> {
    let mut total = 0;
    for (name, entry) in view.read_dir(folder)? {
        total += match entry.is_dir() {
            true => size_below(view, &folder.join(name))?,
            false => entry.size,
        };
    }
    Ok(total)
}

/// docker writes links with the names that both sides give them.
fn host_config(record: &Record) -> Value {
    let mut host = record.host_config.describe();
    for link in host["Links"].as_array_mut().into_iter().flatten() {
        let (target, alias) = linked(link.as_str().unwrap_or_default());
        *link = json!(format!("/{target}:{}/{alias}", record.name));
    }
    host
}

/// `NAME:ALIAS`, or a name that is its own alias.
pub(super) fn linked(text: &str) -> (&str, &str) {
    let (target, alias) = text.split_once(':').unwrap_or((text, text));
    (target.trim_start_matches('/'), alias.trim_start_matches('/'))
}

/// All but what docker's daemon keeps to itself.
pub(super) fn mounts(record: &Record) -> Value {
    record.mounts.iter().filter(|mount| !mount.unlisted).map(mount).collect()
}

fn mount(mount: &MountPoint) -> Value {
    let mut value = serde_json::to_value(mount).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        // docker's daemon keeps these internally.
        for key in ["CreateSource", "NonRecursive", "Tmpfs", "Volume", "ReadOnlyDepth", "Unlisted"] {
            fields.shift_remove(key);
        }
    }
    value
}

fn config(entry: &Entry) -> Result<Value, ContainerError> {
    let mut config = run_config(&entry.record.config.run);
    let own = serde_json::to_value(&entry.record.config).unwrap_or_default();
    // The container's own fields move to docker's position, and win over those of the image.
    if let (Value::Object(all), Value::Object(own)) = (&mut config, &own) {
        const OWN: [&str; 9] = [
            "Hostname",
            "Domainname",
            "AttachStdin",
            "AttachStdout",
            "AttachStderr",
            "Tty",
            "OpenStdin",
            "StdinOnce",
            "Image",
        ];
        for key in OWN {
            if let Some(field) = own.get(key) {
                all.insert(key.to_owned(), field.clone());
            }
        }
        if let Some(timeout) = own.get("StopTimeout") {
            all.insert("StopTimeout".to_owned(), timeout.clone());
        }
        if all.get("Labels").is_some_and(Value::is_null) {
            all.insert("Labels".to_owned(), json!({}));
        }
    }
    Ok(config)
}

/// The current endpoints in its networks; the requested ones if it does not run.
fn network_settings(entry: &Entry, networks: &Networks, live: &[(NetworkRecord, Endpoint)]) -> Value {
    let mut settings = empty_settings(&describe_ports(&[], std::iter::empty()));
    settings.extend(entry.state.network.clone());
    let places = places(entry, networks, live);
    if entry.state.status == Status::Created
        && let Some(place) = entry.record.host_config.network_mode.network().and_then(|name| places.get(name))
    {
        settings["MacAddress"] = place["MacAddress"].clone();
    }
    settings.insert("Networks".to_owned(), places.into());
    settings.into()
}

/// The same of each network, by name; `live` is what it has in those where it is now.
pub(super) fn places(entry: &Entry, networks: &Networks, live: &[(NetworkRecord, Endpoint)]) -> Map<String, Value> {
    let record = &entry.record;
    let is_running = entry.state.pid != 0;
    let mut places = Map::new();
    for (name, asked) in &record.networks {
        let asked = serde_json::to_value(asked).unwrap_or_default();
        let now = live.iter().find(|(network, _)| is_called(network, name));
        let mut place = match now {
            Some((network, endpoint)) => describe_place(network, endpoint),
            None if is_running => empty_place(networks.find(name).ok().as_ref()),
            None => empty_place(None),
        };
        if entry.state.status == Status::Created {
            place["MacAddress"] = asked["MacAddress"].clone();
        }
        for key in ["IPAMConfig", "Links", "Aliases", "DriverOpts", "GwPriority"] {
            let value = asked.get(key).cloned().unwrap_or_default();
            let is_nothing =
                value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
            place[key] = if is_nothing { Value::Null } else { value };
        }
        places.insert(now.map_or(name.clone(), |(network, _)| network.name.clone()), place);
    }
    places
}

fn is_called(network: &NetworkRecord, name: &str) -> bool {
    network.name == name || network.id.starts_with(name)
}

fn empty_settings(ports: &Value) -> Map<String, Value> {
    let settings = json!({
        "Bridge": "", "SandboxID": "", "SandboxKey": "", "Ports": ports, "HairpinMode": false,
        "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0, "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null, "EndpointID": "", "Gateway": "", "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0, "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "MacAddress": "",
    });
    settings.as_object().cloned().unwrap_or_default()
}

fn empty_place(network: Option<&NetworkRecord>) -> Value {
    json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "", "DriverOpts": null, "GwPriority": 0,
        "NetworkID": network.map_or("", |record| record.id.as_str()), "EndpointID": "", "Gateway": "", "IPAddress": "",
        "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": null,
    })
}
