//! What happens to containers, told to `events`.

use std::collections::BTreeMap;

use super::directory::Containers;
use super::record::Record;
use crate::store::{Event, Events};

/// Tells that something happened: docker's attributes are the labels, the image and the name, and `facts`.
pub(super) fn add(containers: &Containers, record: &Record, action: &str, facts: &[(&str, &str)]) {
    let mut attributes: BTreeMap<String, String> = record.config.run.labels.clone();
    attributes.insert("image".to_owned(), record.config.image.clone());
    attributes.insert("name".to_owned(), record.plain_name().to_owned());
    attributes.extend(facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    Events::of(containers.store_root()).add(&Event::now("container", action, &record.id, attributes));
}
