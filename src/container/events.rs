//! Reports events of containers, and of networks and volumes through them, in docker's words, for `events`.

use std::collections::BTreeMap;
use std::path::Path;

use super::directory::Containers;
use super::mounts::MountKind;
use super::protocol::Attach;
use super::record::Record;
use crate::container::network::NetworkRecord;
use crate::container::volume::VolumeRecord;
use crate::store::{Event, Events};

/// Reports an event: docker's attributes are the labels, the image, the name, and `facts`.
pub(super) fn add(containers: &Containers, record: &Record, action: &str, facts: &[(&str, &str)]) {
    Events::of(containers.store_root()).add(&of_container(record, action, facts));
}

/// Reports a start: volumes are mounted, networks joined, the container runs, and `attach`, if given.
pub(super) fn add_start(containers: &Containers, record: &Record, networks: &[NetworkRecord], attach: Option<Attach>) {
    let mut events = Vec::new();
    if attach.is_some_and(Attach::is_any) {
        events.push(of_container(record, "attach", &[]));
    }
    events.extend(mounts(record, "mount"));
    events.extend(networks.iter().map(|network| of_network(network, "connect", Some(&record.id))));
    events.push(of_container(record, "start", &[]));
    if let Some((rows, columns)) = attach.and_then(|attach| attach.size) {
        let facts = [("height", rows.to_string()), ("width", columns.to_string())];
        events.push(of_container(record, "resize", &facts.each_ref().map(|(key, value)| (*key, value.as_str()))));
    }
    Events::of(containers.store_root()).add_all(&events);
}

/// Reports that a container has ended and released them, in docker's order.
pub(super) fn add_end(
    containers: &Containers,
    record: &Record,
    (networks, was_stopped): (&[NetworkRecord], bool),
    facts: &[(&str, &str)],
) {
    let mut events: Vec<Event> =
        networks.iter().map(|network| of_network(network, "disconnect", Some(&record.id))).collect();
    events.extend(mounts(record, "unmount"));
    if was_stopped {
        events.push(of_container(record, "stop", &[]));
    }
    events.push(of_container(record, "die", facts));
    Events::of(containers.store_root()).add_all(&events);
}

/// Reports an event of a network; `container` is the one that joined or left it.
pub fn tell_of_network(store_root: &Path, network: &NetworkRecord, action: &str, container: Option<&str>) {
    Events::of(store_root).add(&of_network(network, action, container));
}

/// Reports an event of a volume.
pub fn tell_of_volume(store_root: &Path, volume: &VolumeRecord, action: &str) {
    let attributes = attributes(&[("driver", &volume.driver)]);
    Events::of(store_root).add(&Event::now("volume", action, &volume.name, attributes));
}

/// Reports that unused objects of a kind were pruned.
pub fn tell_of_prune(store_root: &Path, kind: &str, reclaimed: u64) {
    let attributes = attributes(&[("reclaimed", &reclaimed.to_string())]);
    Events::of(store_root).add(&Event::now(kind, "prune", "", attributes));
}

fn of_container(record: &Record, action: &str, facts: &[(&str, &str)]) -> Event {
    let mut all: BTreeMap<String, String> = record.config.run.labels.clone();
    all.insert("image".to_owned(), record.config.image.clone());
    all.insert("name".to_owned(), record.plain_name().to_owned());
    all.extend(attributes(facts));
    Event::now("container", action, &record.id, all)
}

fn of_network(network: &NetworkRecord, action: &str, container: Option<&str>) -> Event {
    let mut all = attributes(&[("name", &network.name), ("type", &network.driver)]);
    all.extend(container.map(|container| ("container".to_owned(), container.to_owned())));
    Event::now("network", action, &network.id, all)
}

fn mounts(record: &Record, action: &str) -> Vec<Event> {
    let volumes = record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
    let event = |mount: &super::mounts::MountPoint| {
        let mut all = attributes(&[("container", &record.id), ("driver", &mount.driver)]);
        if action == "mount" {
            let (place, writable) = (mount.destination.display().to_string(), mount.writable.to_string());
            all.extend(attributes(&[("destination", &place), ("propagation", ""), ("read/write", &writable)]));
        }
        Event::now("volume", action, &mount.name, all)
    };
    volumes.map(event).collect()
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
