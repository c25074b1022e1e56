//! `ps --filter`: docker's keys. Values of one key are alternatives, except labels, which must all match.

use std::collections::HashSet;

use crate::base;
use crate::base::digest::ImageId;
use crate::container::{ContainerError, Entry, HealthStatus, Status};
use crate::store::Store;

use super::RequestError;

/// The filters of a list of containers.
#[derive(Default)]
pub struct Filters {
    filters: base::Filters,
    /// The IDs with the given prefixes, if they are unique.
    ids: Vec<String>,
    exited: Vec<u8>,
    ancestors: Vec<Ancestor>,
    before: Option<jiff::Timestamp>,
    since: Option<jiff::Timestamp>,
    published: Vec<PortRange>,
    exposed: Vec<PortRange>,
    is_task: Option<bool>,
}

/// An image from which containers were created.
struct Ancestor {
    word: String,
    /// The image, and all whose layers start with its layers.
    images: HashSet<String>,
}

struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

/// The known keys.
pub const KNOWN: [&str; 14] = [
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish",
    "since", "status", "volume",
];
/// The values of `status=`.
pub const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

impl Filters {
    /// Parses `KEY=VALUE`s; some of them refer to existing containers and images.
    pub fn parse(words: &[String], entries: &[Entry], store: &Store) -> Result<Self, RequestError> {
        let filters = base::Filters::parse(words, &KNOWN)?;
        filters.only("status", "state", &STATES)?;
        filters.only("health", "health", &["none", "starting", "healthy", "unhealthy"])?;
        let created = |key: &str| -> Result<Vec<jiff::Timestamp>, RequestError> {
            let of = |word: &String| {
                let start = word.trim_start_matches('/');
                let is_it = |entry: &&Entry| entry.record.plain_name() == start || entry.record.id.starts_with(start);
                let found = entries.iter().find(is_it).map(|entry| entry.record.created);
                found.ok_or_else(|| ContainerError::NotFound { name: word.clone() }.into())
            };
            filters.values(key).iter().map(of).collect()
        };
        let exited = |text: &String| {
            let wrong = |_| base::FilterError::Value {
                key: "exited".to_owned(),
                value: text.clone(),
                reason: "it is a number".to_owned(),
            };
            // Other numbers are not exit codes, and match nothing.
            text.parse::<i64>().map_err(wrong).map(|code| u8::try_from(code).ok())
        };
        let ports = |key: &str| -> Result<Vec<PortRange>, RequestError> {
            let wrong = |text: &str| base::FilterError::Value {
                key: key.to_owned(),
                value: text.to_owned(),
                reason: "it is a port, such as 80/tcp".to_owned(),
            };
            Ok(filters
                .values(key)
                .iter()
                .map(|text| PortRange::parse(text).ok_or_else(|| wrong(text)))
                .collect::<Result<_, _>>()?)
        };
        Ok(Self {
            ids: filters.values("id").iter().filter_map(|start| only_one(entries, start)).collect(),
            exited: filters
                .values("exited")
                .iter()
                .map(exited)
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?,
            ancestors: filters.values("ancestor").iter().map(|word| Ancestor::find(word, store)).collect(),
            before: created("before")?.into_iter().min(),
            since: created("since")?.into_iter().max(),
            published: ports("publish")?,
            exposed: ports("expose")?,
            is_task: filters.boolean("is-task")?,
            filters,
        })
    }

    /// Whether containers that don't run are included even without `-a`.
    pub fn shows_all(&self) -> bool {
        self.filters.has("status")
    }

    /// Whether the container matches the filters.
    pub fn keep(&self, entry: &Entry) -> bool {
        let (record, state) = (&entry.record, &entry.state);
        let filters = &self.filters;
        (!filters.has("id") || self.ids.contains(&record.id))
            && (filters.matches("name", &record.name) || filters.matches("name", record.plain_name()))
            && filters.labels(&record.config.run.labels)
            && filters.exactly("status", state.status.as_str())
            && (!filters.has("exited") || state.status == Status::Exited && self.exited.contains(&state.exit_code))
            && self.before.is_none_or(|time| record.created < time)
            && self.since.is_none_or(|time| record.created > time)
            // There are no swarm tasks here.
            && self.is_task != Some(true)
            && self.keep_by_surroundings(entry)
    }

    fn keep_by_surroundings(&self, entry: &Entry) -> bool {
        let (record, filters) = (&entry.record, &self.filters);
        let mounts = |wanted: &str| {
            let is_it = |mount: &crate::container::MountPoint| {
                let name = if mount.name.is_empty() { mount.source.as_os_str() } else { mount.name.as_ref() };
                name == wanted || mount.destination.as_os_str() == wanted
            };
            record.mounts.iter().any(is_it)
        };
        let in_network = |wanted: &str| {
            let has_id = |place: &serde_json::Value| {
                place["NetworkID"].as_str().is_some_and(|id| !id.is_empty() && id.starts_with(wanted))
            };
            let now = entry.state.network.get("Networks").and_then(serde_json::Value::as_object);
            record.networks.contains_key(wanted) || now.is_some_and(|places| places.values().any(has_id))
        };
        let health = match &entry.state.health {
            Some(health) if entry.state.status == Status::Running => match health.status {
                HealthStatus::Starting => "starting",
                other => other.as_str(),
            },
            _ => "none",
        };
        (self.ancestors.is_empty() || self.ancestors.iter().any(|ancestor| ancestor.is_below(entry)))
            && filters.any("volume", mounts)
            && filters.any("network", in_network)
            && self.keep_by_ports(entry)
            && filters.exactly("health", health)
    }

    /// Matches the ports of a running container: published or exposed. With both filters, either suffices.
    fn keep_by_ports(&self, entry: &Entry) -> bool {
        if self.published.is_empty() && self.exposed.is_empty() {
            return true;
        }
        let ports = entry.state.network.get("Ports").and_then(serde_json::Value::as_object);
        ports.into_iter().flatten().any(|(port, places)| {
            let (_, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            let on_host = |place: &serde_json::Value| Some(format!("{}/{protocol}", place["HostPort"].as_str()?));
            let on_host: Vec<_> = places.as_array().into_iter().flatten().filter_map(on_host).collect();
            self.exposed.iter().any(|range| range.has(port))
                || self.published.iter().any(|range| on_host.iter().any(|port| range.has(port)))
        })
    }
}

/// The ID with that prefix, if it is unique.
fn only_one(entries: &[Entry], start: &str) -> Option<String> {
    let mut found = entries.iter().map(|entry| &entry.record.id).filter(|id| id.starts_with(start));
    found.next().filter(|_| !start.is_empty() && found.next().is_none()).cloned()
}

impl Ancestor {
    /// An image that no longer exists still matches by the name with which containers were created.
    fn find(word: &str, store: &Store) -> Self {
        let layers = |id: &ImageId| {
            let config = crate::engine::image::info::read_config(store, id).ok();
            config.map(|config| config.into_value().rootfs.diff_ids).unwrap_or_default()
        };
        let mut images = HashSet::new();
        if let Ok(found) = store.find_image(word) {
            images.insert(found.id.to_string());
            let own = layers(&found.id);
            let others = store.images().unwrap_or_default().into_iter().map(|image| image.id);
            let above = others.filter(|id| !own.is_empty() && layers(id).starts_with(&own));
            images.extend(above.map(|id| id.to_string()));
        }
        Self { word: word.to_owned(), images }
    }

    fn is_below(&self, entry: &Entry) -> bool {
        entry.record.config.image == self.word || self.images.contains(&entry.record.image)
    }
}

impl PortRange {
    /// `80`, `80/udp`, `8000-8010/tcp`
    fn parse(text: &str) -> Option<Self> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then(|| Self { first, last, protocol: protocol.to_owned() })
    }

    fn has(&self, port: &str) -> bool {
        Self::parse(port)
            .is_some_and(|port| port.protocol == self.protocol && (self.first..=self.last).contains(&port.first))
    }
}
