//! Events of containers, images, networks and volumes.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::base::Filters;
use crate::base::io_error::{AtPath, IoError};
use crate::image::Reference;
use crate::store::{Event, Events};

/// How often to check for new events. inotify(7) is not used: the file does not exist before the first event, and is
/// replaced when it is full. A check without new events is a read(2) and a stat(2).
pub const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Which events to report.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventsRequest {
    /// See [`FILTERS`].
    pub filters: Filters,
    /// Earlier events are skipped.
    pub since: Timestamp,
    /// Later events are not waited for.
    pub until: Option<Timestamp>,
}

/// The period ends before it starts.
#[derive(Debug, thiserror::Error)]
#[error("`since` time ({}) cannot be after `until` time ({})", since.as_second(), until.as_second())]
pub struct EndsBefore {
    since: Timestamp,
    until: Timestamp,
}

impl EventsRequest {
    /// Without `since`, past events are skipped.
    ///
    /// # Errors
    /// If `until` is before `since`.
    pub fn between(filters: Filters, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Self, EndsBefore> {
        match (since, until) {
            // With `--until 0s --since 0s`, time passes between reading the two.
            (Some(since), Some(until)) if until.duration_until(since) >= SignedDuration::from_secs(1) => {
                Err(EndsBefore { since, until })
            }
            _ => Ok(Self { filters, since: since.unwrap_or_else(Timestamp::now), until }),
        }
    }
}

/// The events of a store, one after another: past and future ones.
pub struct EventStream {
    request: EventsRequest,
    follower: Follower,
}

/// An event, and the line that the store has of it.
#[derive(Debug)]
pub struct ToldEvent {
    /// The event, as docker writes it.
    pub event: Event,
    /// When it happened.
    pub time: Timestamp,
    /// Its line in the store's file.
    pub line: String,
}

/// An event with the fields that docker's API has for containers and images up to version 1.51: the action, the ID and
/// a container's image, which are duplicates.
pub fn with_old_fields(event: &Event) -> Result<Value, serde_json::Error> {
    let mut fields = Map::new();
    if matches!(event.kind.as_str(), "container" | "image") {
        fields.insert("status".to_owned(), event.action.clone().into());
        if !event.actor.id.is_empty() {
            fields.insert("id".to_owned(), event.actor.id.clone().into());
        }
    }
    if let Some(image) = event.actor.attributes.get("image").filter(|_| event.kind == "container") {
        fields.insert("from".to_owned(), image.clone().into());
    }
    if let Value::Object(all) = serde_json::to_value(event)? {
        fields.extend(all);
    }
    Ok(fields.into())
}

impl EventStream {
    /// Opens the events of the store in that folder.
    pub fn open(store_root: &Path, request: EventsRequest) -> Result<Self, IoError> {
        Ok(Self { request, follower: Follower::open(&Events::of(store_root))? })
    }

    /// The next matching event; `None` if there is none yet.
    pub fn next_told(&mut self) -> Result<Option<ToldEvent>, IoError> {
        let EventsRequest { filters, since, until } = &self.request;
        while let Some(line) = self.follower.next()? {
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            let time = Timestamp::from_nanosecond(event.time_nano.into()).unwrap_or_default();
            if time >= *since && until.is_none_or(|until| time <= until) && keeps(filters, &event) {
                return Ok(Some(ToldEvent { event, time, line }));
            }
        }
        Ok(None)
    }

    /// Whether no further events can match at that time.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.request.until.is_some_and(|until| until <= now)
    }
}

/// The known filters.
pub const FILTERS: [&str; 14] = [
    "type",
    "event",
    "container",
    "image",
    "network",
    "volume",
    "label",
    "scope",
    "daemon",
    "plugin",
    "node",
    "service",
    "secret",
    "config",
];

/// As docker's `events.Filter`: objects match by a prefix of their ID or name, images by either in full.
fn keeps(filters: &Filters, event: &Event) -> bool {
    let attributes = &event.actor.attributes;
    let attribute = |name: &str| attributes.get(name).map_or("", String::as_str);
    let of_image = attribute(if event.kind == "image" { "name" } else { "image" });
    let is_thing = |kind: &str| {
        filters.any(kind, |wanted| event.actor.id.starts_with(wanted) || attribute("name").starts_with(wanted))
    };
    let is_image = |wanted: &str| {
        let untagged = |name: &str| name.parse::<Reference>().is_ok_and(|name| name.familiar_repository() == wanted);
        wanted == event.actor.id || wanted == of_image || untagged(of_image)
    };
    // `health_status` also matches `health_status: healthy`.
    let is_event = |wanted: &str| event.action == wanted || event.action.split(':').next() == Some(wanted);
    let things = ["container", "network", "volume", "daemon", "plugin", "node", "service", "secret", "config"];
    filters.exactly("type", &event.kind)
        && filters.exactly("scope", &event.scope)
        && filters.any("event", is_event)
        && filters.any("image", is_image)
        && things.iter().all(|kind| is_thing(kind))
        && filters.labels(attributes)
}

/// Reads the file of events, and the one that replaces it when it is full.
struct Follower {
    events: Events,
    files: Vec<BufReader<File>>,
    inode: u64,
    begun: String,
}

impl Follower {
    fn open(events: &Events) -> Result<Self, IoError> {
        let mut follower = Self { events: events.clone(), files: Vec::new(), inode: 0, begun: String::new() };
        for path in events.paths() {
            if let Ok(file) = File::open(&path) {
                follower.inode = file.metadata().at("look at", &path)?.ino();
                follower.files.push(BufReader::new(file));
            }
        }
        Ok(follower)
    }

    /// The next line, if there is one yet.
    fn next(&mut self) -> Result<Option<String>, IoError> {
        let [_, path] = self.events.paths();
        loop {
            let Some(file) = self.files.first_mut() else {
                match File::open(&path) {
                    Ok(file) => {
                        self.inode = file.metadata().at("look at", &path)?.ino();
                        self.files.push(BufReader::new(file));
                        continue;
                    }
                    Err(_) => return Ok(None),
                }
            };
            file.read_line(&mut self.begun).at("read", &path)?;
            if self.begun.ends_with('\n') {
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            let current = std::fs::metadata(&path).map_or(self.inode, |metadata| metadata.ino());
            if self.files.len() == 1 && current == self.inode {
                return Ok(None);
            }
            self.files.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let attributes = [("name", "web"), ("image", "busybox"), ("l", "1")];
        let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let event = Event::now("container", "health_status: healthy", "abcdef", attributes);
        let keeps = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            super::keeps(&Filters::parse(&words, &FILTERS).unwrap(), &event)
        };
        assert!(keeps(&["container=web", "event=start", "event=health_status", "type=container"]));
        assert!(keeps(&["container=abc", "image=busybox", "label=l=1", "label=l"]));
        assert!(!keeps(&["network=net"]) && !keeps(&["event=start"]) && !keeps(&["label=l=2"]));
        assert!(!keeps(&["label=l", "label=m"]), "all labels have to be there");
        assert!(keeps(&["container=we"]) && !keeps(&["image=busy"]) && keeps(&["image=x", "image=busybox"]));
        assert!(Filters::parse(&["x=y".to_owned()], &FILTERS).is_err());
    }
}
