//! One container as a row of `ps`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::container::port;
use crate::cli::format::{ago, human_size, quoted};
use crate::container::{Entry, MountKind};
use crate::engine::container::status;
use crate::engine::image::info;
use crate::engine::system::folder_size;
use crate::store::Store;

/// How many characters of a command and of a mount's name are shown.
const COMMAND_LENGTH: usize = 20;
const MOUNT_LENGTH: usize = 15;

#[derive(Clone, Copy)]
pub struct Details<'a> {
    pub no_trunc: bool,
    /// The store with the images, if sizes are shown.
    pub size: Option<&'a Store>,
}

pub fn row(entry: &Entry, details: Details<'_>) -> Value {
    let record = &entry.record;
    // Like docker, quotes only words with blanks: this is for people.
    let argument = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    let words =
        std::iter::once(record.path.clone()).chain(record.args.iter().map(argument)).collect::<Vec<_>>().join(" ");
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
        "Command": quoted(&shorten(words, COMMAND_LENGTH)),
        "CreatedAt": created_at.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
        "RunningFor": ago(Some(record.created), Timestamp::now()),
        "Status": status(entry),
        "State": entry.state.status.as_str(),
        "Ports": port::summary(entry.state.network.get("Ports")),
        "Names": record.plain_name(),
        "Size": details.size.map_or_else(|| "0B".to_owned(), |store| sizes(entry, store)),
        "Labels": labels.join(","),
        "Label": record.config.run.labels,
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts.join(","),
        "Networks": networks.join(","),
        // docker sets it only with the containerd image store.
        "Platform": null,
    })
}

/// `1.2kB (virtual 4.3MB)`
fn sizes(entry: &Entry, store: &Store) -> String {
    let own = folder_size(&entry.upper());
    let image = entry.record.image.parse().ok().and_then(|id| info::one(store, &id).ok());
    let below = image.map_or(0, |image| image.size(store));
    format!("{} (virtual {})", human_size(own, 3), human_size(own + below, 3))
}
