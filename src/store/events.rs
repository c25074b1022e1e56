//! What happened in the store: a file that lines are appended to, in docker's JSON. (`events` reads it.)

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Store;
use crate::base::digest::ImageId;
use crate::base::io_error::{AtPath, IoError};
use crate::image::ImageConfig;

/// Larger than any config.
const LARGEST_CONFIG: u64 = 16 << 20;

const FILE: &str = "events.log";
/// Above this size, the file becomes the older one of two.
const MOST_BYTES: u64 = 4 << 20;

/// Something that happened to a container, an image, a network or a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What it happened to: an image, a container.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened.
    #[serde(rename = "Action")]
    pub action: String,
    /// Which one.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// Always `local`.
    #[serde(default)]
    pub scope: String,
    /// Seconds since 1970.
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// Its ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// What is known of it.
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}

/// The events of a store.
#[derive(Debug, Clone)]
pub struct Events {
    path: PathBuf,
}

impl Event {
    /// An event that happens now. `kind` is `container`, `image`, `network` or `volume`.
    pub fn now(kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) -> Self {
        let now = jiff::Timestamp::now();
        Self {
            kind: kind.to_owned(),
            action: action.to_owned(),
            actor: Actor { id: id.to_owned(), attributes },
            scope: "local".to_owned(),
            time: now.as_second(),
            time_nano: i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
        }
    }
}

impl Events {
    /// The events of the store in that folder.
    pub fn of(store_root: &Path) -> Self {
        Self { path: store_root.join(FILE) }
    }

    /// The two files, the older one first. Either may be missing.
    pub fn paths(&self) -> [PathBuf; 2] {
        [self.path.with_extension("log.1"), self.path.clone()]
    }

    /// Adds an event. If it can't be written, it is lost: what it reports has happened anyway.
    pub fn add(&self, event: &Event) {
        self.add_all(std::slice::from_ref(event));
    }

    /// Adds several events in a row.
    pub fn add_all(&self, events: &[Event]) {
        let _ = self.append(events);
    }

    fn append(&self, events: &[Event]) -> Result<(), IoError> {
        let mut lines = Vec::new();
        for event in events {
            serde_json::to_writer(&mut lines, event).map_err(std::io::Error::other).at("write", &self.path)?;
            lines.push(b'\n');
        }
        let mut file = File::options().create(true).append(true).open(&self.path).at("open", &self.path)?;
        flock(&file, FlockOperation::LockExclusive).at("lock", &self.path)?;
        file.write_all(&lines).at("write", &self.path)?;
        // A process that holds the lock of the older file writes there; both files are read.
        if file.metadata().at("look at", &self.path)?.len() > MOST_BYTES {
            let older = self.path.with_extension("log.1");
            std::fs::rename(&self.path, &older).at("rename", &self.path)?;
        }
        Ok(())
    }
}

impl Store {
    /// Adds an event of an image; `name` is its name at that time. Includes its labels if it exists.
    pub fn tell(&self, action: &str, id: &ImageId, name: &str) {
        // docker reports no labels of an image that is gone.
        let config = if action == "delete" { None } else { self.read_blob(&(*id).into(), LARGEST_CONFIG).ok() };
        let config = config.and_then(|bytes| serde_json::from_slice::<ImageConfig>(&bytes).ok());
        let mut attributes = config.map(|config| config.config.labels).unwrap_or_default();
        attributes.insert("name".to_owned(), name.to_owned());
        Events::of(self.root()).add(&Event::now("image", action, &id.to_string(), attributes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines() {
        let root = tempfile::tempdir().unwrap();
        let events = Events::of(root.path());
        let attributes = BTreeMap::from([("name".to_owned(), "web".to_owned())]);
        let event = Event::now("container", "start", "abc", attributes);
        events.add(&event);
        events.add(&event);
        let text = std::fs::read_to_string(&events.paths()[1]).unwrap();
        let read: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [event.clone(), event]);
    }
}
