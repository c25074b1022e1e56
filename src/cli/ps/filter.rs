//! `ps --filter`: docker's keys. Values of one key are alternatives, except labels, which must all be there.

use std::collections::HashSet;

use regex::Regex;

use crate::cli::CliError;
use crate::container::{Entry, HealthStatus, Status};
use crate::digest::ImageId;
use crate::store::Store;

#[derive(Default)]
pub(super) struct Filters {
    ids: Vec<Regex>,
    names: Vec<Regex>,
    labels: Vec<(String, Option<String>)>,
    statuses: Vec<String>,
    exited: Vec<u8>,
    ancestors: Vec<Ancestor>,
    before: Option<jiff::Timestamp>,
    since: Option<jiff::Timestamp>,
    volumes: Vec<String>,
    networks: Vec<String>,
    published: Vec<PortRange>,
    exposed: Vec<PortRange>,
    health: Vec<String>,
}

/// An image that containers stand on.
struct Ancestor {
    word: String,
    /// It, and all that begin with its layers.
    images: HashSet<String>,
}

struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

const KNOWN: &str = "there are: id, name, label, status, exited, ancestor, before, since, volume, network, publish, \
                     expose, health, is-task";

impl Filters {
    pub(super) fn parse(words: &[String], entries: &[Entry], store: &Store) -> Result<Self, CliError> {
        let mut filters = Self::default();
        let nothing = || Regex::new("^$").map_err(|error| CliError::new(error.to_string()));
        for word in words {
            let wrong = || CliError::new(format!("invalid filter '{word}'"));
            let (key, value) = word.split_once('=').ok_or_else(wrong)?;
            let pattern = || Regex::new(value).map_err(|_| wrong());
            let created = || {
                let word = |entry: &&Entry| entry.record.plain_name() == value || entry.record.id.starts_with(value);
                let found = entries.iter().find(word).map(|entry| entry.record.created);
                found.ok_or_else(|| CliError::new(format!("no such container: {value}"))).map(Some)
            };
            match key {
                "id" => filters.ids.push(Regex::new(&format!("^(?:{value})")).map_err(|_| wrong())?),
                "name" => filters.names.push(pattern()?),
                "label" => filters.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value.to_owned(), None),
                }),
                "status" if is_status(value) => filters.statuses.push(value.to_owned()),
                "exited" => filters.exited.push(value.parse().map_err(|_| wrong())?),
                "ancestor" => filters.ancestors.push(Ancestor::find(value, store)),
                "before" => filters.before = created()?,
                "since" => filters.since = created()?,
                "volume" => filters.volumes.push(value.to_owned()),
                "network" => filters.networks.push(value.to_owned()),
                "publish" => filters.published.push(PortRange::parse(value).ok_or_else(wrong)?),
                "expose" => filters.exposed.push(PortRange::parse(value).ok_or_else(wrong)?),
                "health" if matches!(value, "starting" | "healthy" | "unhealthy" | "none") => {
                    filters.health.push(value.to_owned());
                }
                // There are no tasks of a swarm here.
                "is-task" if value == "false" => {}
                "is-task" if value == "true" => filters.ids.push(nothing()?),
                "status" | "health" => return Err(wrong()),
                _ => return Err(wrong().hint(KNOWN)),
            }
        }
        Ok(filters)
    }

    /// Whether containers that don't run are looked at without `-a` too.
    pub(super) fn shows_all(&self) -> bool {
        !self.statuses.is_empty() || !self.exited.is_empty()
    }

    pub(super) fn keep(&self, entry: &Entry) -> bool {
        let (record, state) = (&entry.record, &entry.state);
        let any = |list: &[Regex], text: &str| list.is_empty() || list.iter().any(|pattern| pattern.is_match(text));
        let name_matches = self.names.is_empty()
            || self.names.iter().any(|name| name.is_match(&record.name) || name.is_match(record.plain_name()));
        let labels = &record.config.run.labels;
        let has_label = |(key, wanted): &(String, Option<String>)| {
            labels.get(key).is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        };
        any(&self.ids, &record.id)
            && name_matches
            && self.labels.iter().all(has_label)
            && (self.statuses.is_empty() || self.statuses.iter().any(|status| status == state.status.as_str()))
            && (self.exited.is_empty() || state.status == Status::Exited && self.exited.contains(&state.exit_code))
            && self.before.is_none_or(|time| record.created < time)
            && self.since.is_none_or(|time| record.created > time)
            && self.keep_by_surroundings(entry)
    }

    fn keep_by_surroundings(&self, entry: &Entry) -> bool {
        let record = &entry.record;
        let mounts = |wanted: &String| {
            let is_it = |mount: &crate::container::MountPoint| {
                mount.name == *wanted
                    || mount.source.as_os_str() == wanted.as_str()
                    || mount.destination.as_os_str() == wanted.as_str()
            };
            record.mounts.iter().any(is_it)
        };
        let networks = |wanted: &String| record.networks.contains_key(wanted);
        let health = match &entry.state.health {
            Some(health) if entry.state.status == Status::Running => match health.status {
                HealthStatus::Starting => "starting",
                other => other.as_str(),
            },
            _ => "none",
        };
        let published = |range: &PortRange| record.host_config.port_bindings.keys().any(|port| range.has(port));
        let exposed = |range: &PortRange| record.config.run.exposed_ports.iter().any(|port| range.has(port));
        (self.ancestors.is_empty() || self.ancestors.iter().any(|ancestor| ancestor.is_below(entry)))
            && (self.volumes.is_empty() || self.volumes.iter().any(mounts))
            && (self.networks.is_empty() || self.networks.iter().any(networks))
            && (self.published.is_empty() || self.published.iter().any(published))
            && (self.exposed.is_empty() || self.exposed.iter().any(exposed))
            && (self.health.is_empty() || self.health.iter().any(|wanted| wanted == health))
    }
}

fn is_status(text: &str) -> bool {
    matches!(text, "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead")
}

impl Ancestor {
    /// An image that is not there any more still counts by the name that containers were made with.
    fn find(word: &str, store: &Store) -> Self {
        let layers = |id: &ImageId| {
            let config = crate::cli::image_info::read_config(store, id).ok();
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
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, protocol: protocol.to_owned() })
    }

    fn has(&self, port: &str) -> bool {
        Self::parse(port)
            .is_some_and(|port| port.protocol == self.protocol && (self.first..=self.last).contains(&port.first))
    }
}
