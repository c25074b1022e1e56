//! One container as a row of `ps`.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::format::{ago, human_size};
use crate::cli::image_info;
use crate::container::{Entry, HealthStatus, MountKind, NetworkSettings, Status};
use crate::store::Store;

/// So many characters of a command are shown, and of a mount's name.
const COMMAND_LENGTH: usize = 20;
const MOUNT_LENGTH: usize = 15;

#[derive(Clone, Copy)]
pub(super) struct Details<'a> {
    pub(super) no_trunc: bool,
    /// Where the images are, when sizes are to be shown.
    pub(super) size: Option<&'a Store>,
}

pub(super) fn row(entry: &Entry, details: Details<'_>) -> Value {
    let record = &entry.record;
    let words = std::iter::once(&record.path).chain(&record.args).cloned().collect::<Vec<_>>().join(" ");
    let shorten = |text: String, length: usize| match text.char_indices().nth(length) {
        Some(_) if !details.no_trunc => format!("{}…", text.chars().take(length - 1).collect::<String>()),
        _ => text,
    };
    let labels: Vec<String> = record.config.run.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mounts: Vec<String> = record
        .mounts
        .iter()
        .filter(|mount| mount.kind != MountKind::Tmpfs)
        .map(|mount| if mount.name.is_empty() { mount.source.display().to_string() } else { mount.name.clone() })
        .map(|name| shorten(name, MOUNT_LENGTH))
        .collect();
    let volumes = record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume).count();
    let networks: Vec<&str> = record.networks.keys().map(String::as_str).collect();
    let created_at = record.created.to_zoned(TimeZone::system());
    json!({
        "ID": if details.no_trunc { &record.id } else { record.short_id() },
        "Image": record.config.image,
        "Command": format!("\"{}\"", shorten(words, COMMAND_LENGTH)),
        "CreatedAt": created_at.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        "RunningFor": ago(Some(record.created), Timestamp::now()),
        "Status": status(entry),
        "State": entry.state.status.as_str(),
        "Ports": ports(&entry.state.network),
        "Names": record.plain_name(),
        "Size": details.size.map_or_else(|| "0B".to_owned(), |store| sizes(entry, store)),
        "Labels": labels.join(","),
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts.join(","),
        "Networks": networks.join(","),
        "Platform": record.platform,
    })
}

fn status(entry: &Entry) -> String {
    let now = Timestamp::now();
    let state = &entry.state;
    let up = || {
        let since = ago(state.started_at, now);
        format!("Up {}", since.strip_suffix(" ago").unwrap_or(&since))
    };
    match state.status {
        Status::Running => match state.health.as_ref().map(|health| health.status) {
            None => up(),
            Some(HealthStatus::Starting) => format!("{} (health: starting)", up()),
            Some(health) => format!("{} ({})", up(), health.as_str()),
        },
        Status::Paused => format!("{} (Paused)", up()),
        Status::Restarting => format!("Restarting ({}) {}", state.exit_code, ago(state.finished_at, now)),
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Dead => "Dead".to_owned(),
        Status::Created => "Created".to_owned(),
        Status::Exited if state.finished_at.is_none() => format!("Exited ({})", state.exit_code),
        Status::Exited => format!("Exited ({}) {}", state.exit_code, ago(state.finished_at, now)),
    }
}

/// A port of a container, and where it is published.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Port {
    host_ip: String,
    protocol: String,
    private: u16,
    public: Option<u16>,
}

/// `0.0.0.0:8000-8001->80-81/tcp, 443/tcp`: neighbours are shown as one range.
fn ports(settings: &NetworkSettings) -> String {
    let mut all = Vec::new();
    let empty = serde_json::Map::new();
    for (port, bindings) in settings.get("Ports").and_then(Value::as_object).unwrap_or(&empty) {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(private) = number.parse() else { continue };
        let one = |host_ip: &str, public| Port {
            host_ip: host_ip.to_owned(),
            protocol: protocol.to_owned(),
            private,
            public,
        };
        let text = |binding: &Value, field: &str| binding[field].as_str().unwrap_or_default().to_owned();
        let bindings = bindings.as_array().map(Vec::as_slice).unwrap_or_default();
        if bindings.is_empty() {
            all.push(one("", None));
        }
        all.extend(
            bindings.iter().map(|binding| one(&text(binding, "HostIp"), text(binding, "HostPort").parse().ok())),
        );
    }
    all.sort();
    let mut ranges: Vec<(Port, u16)> = Vec::new();
    for port in all {
        match ranges.last_mut() {
            Some((first, length)) if continues(first, *length, &port) => *length += 1,
            _ => ranges.push((port, 0)),
        }
    }
    ranges.iter().map(|(port, length)| display(port, *length)).collect::<Vec<_>>().join(", ")
}

fn continues(first: &Port, length: u16, next: &Port) -> bool {
    let public = match (first.public, next.public) {
        (Some(first), Some(next)) => next == first + length + 1,
        (None, None) => true,
        _ => false,
    };
    public
        && (&first.host_ip, &first.protocol) == (&next.host_ip, &next.protocol)
        && next.private == first.private + length + 1
}

fn display(port: &Port, length: u16) -> String {
    let range = |start: u16| if length == 0 { start.to_string() } else { format!("{start}-{}", start + length) };
    let private = format!("{}/{}", range(port.private), port.protocol);
    match port.public {
        None => private,
        Some(public) if port.host_ip.contains(':') => format!("[{}]:{}->{private}", port.host_ip, range(public)),
        Some(public) => format!("{}:{}->{private}", port.host_ip, range(public)),
    }
}

/// `1.2kB (virtual 4.3MB)`
fn sizes(entry: &Entry, store: &Store) -> String {
    let own = size(&entry.upper());
    let image = entry.record.image.parse().ok().and_then(|id| image_info::one(store, &id).ok());
    let below = image.map_or(0, |image| image.size(store));
    format!("{} (virtual {})", human_size(own, 3), human_size(own + below, 3))
}

/// Bytes of the files in a folder.
pub(in crate::cli) fn size(folder: &Path) -> u64 {
    let mut links: BTreeMap<(u64, u64), ()> = BTreeMap::new();
    let mut total = 0;
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        use std::os::unix::fs::MetadataExt as _;
        if metadata.is_file() && (metadata.nlink() == 1 || links.insert((metadata.dev(), metadata.ino()), ()).is_none())
        {
            total += metadata.len();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        let shown = |json: Value| ports(&NetworkSettings::from([("Ports".to_owned(), json)]));
        let at = |ip: &str, port: &str| json!({"HostIp": ip, "HostPort": port});
        assert_eq!(
            shown(json!({"8888/tcp": [at("0.0.0.0", "9999"), at("::", "9999")], "53/udp": null})),
            "53/udp, 0.0.0.0:9999->8888/tcp, [::]:9999->8888/tcp"
        );
        assert_eq!(
            shown(
                json!({"80/tcp": [at("0.0.0.0", "8000")], "81/tcp": [at("0.0.0.0", "8001")], "82/tcp": [at("0.0.0.0", "9")]})
            ),
            "0.0.0.0:8000-8001->80-81/tcp, 0.0.0.0:9->82/tcp"
        );
        assert_eq!(shown(json!({"22/tcp": [], "23/tcp": []})), "22-23/tcp");
        assert_eq!(ports(&NetworkSettings::new()), "");
    }
}
