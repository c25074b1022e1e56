//! Lists containers.

use serde_json::{Map, Value, json};

use super::{ContainerFilters, RequestError, describe, status};
use crate::container::{ContainerError, Containers, Entry};
use crate::store::Store;

/// Which containers to list.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Also those that don't run.
    pub all: bool,
    /// Only that many of the newest, whether they run or not.
    pub last: Option<usize>,
    /// `KEY=VALUE`, see [`super::FILTERS`].
    pub filters: Vec<String>,
}

/// The containers, newest first.
pub fn list(store: &Store, request: &ListRequest) -> Result<Vec<Entry>, RequestError> {
    let entries = Containers::of(store.root()).list()?;
    let filters = ContainerFilters::parse(&request.filters, &entries, store)?;
    let shows_all = request.all || request.last.is_some() || filters.shows_all();
    let mut shown: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| shows_all || entry.state.status.is_alive())
        .filter(|entry| filters.keep(entry))
        .collect();
    shown.truncate(request.last.unwrap_or(usize::MAX));
    Ok(shown)
}

/// A row as in docker's API; with `size`, including the sizes of its files.
pub fn row(store: &Store, entry: &Entry, size: bool) -> Result<Value, ContainerError> {
    let whole = describe(store, entry, size)?;
    let record = &entry.record;
    let words: Vec<&str> = std::iter::once(&record.path).chain(&record.args).map(String::as_str).collect();
    let command: Vec<String> =
        words.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() }).collect();
    let mut row = json!({
        "Id": record.id,
        "Names": [record.name],
        "Image": record.config.image,
        "ImageID": record.image,
        "Command": command.join(" "),
        "Created": record.created.as_second(),
        "Ports": ports(&whole["NetworkSettings"]["Ports"]),
    });
    let more = json!({
        "Labels": record.config.run.labels,
        "State": entry.state.status.as_str(),
        "Status": status(entry),
        "HostConfig": {"NetworkMode": whole["HostConfig"]["NetworkMode"]},
        "NetworkSettings": {"Networks": whole["NetworkSettings"]["Networks"]},
        "Mounts": whole["Mounts"],
    });
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        for key in ["SizeRw", "SizeRootFs"].into_iter().filter(|_| size) {
            row.insert(key.to_owned(), whole[key].clone());
        }
        row.extend(more);
    }
    Ok(row)
}

/// `{"80/tcp": [{HostIp, HostPort}]}` → `[{IP, PrivatePort, PublicPort, Type}]`
fn ports(ports: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (port, bindings) in ports.as_object().into_iter().flatten() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let number: u16 = number.parse().unwrap_or_default();
        let places = bindings.as_array().map(Vec::as_slice).unwrap_or_default();
        for place in places {
            let text = |key: &str| place[key].as_str().unwrap_or_default();
            let public: u16 = text("HostPort").parse().unwrap_or_default();
            all.push(json!({"IP": text("HostIp"), "PrivatePort": number, "PublicPort": public, "Type": protocol}));
        }
        if places.is_empty() {
            all.push(Value::Object(Map::from_iter([
                ("PrivatePort".to_owned(), json!(number)),
                ("Type".to_owned(), json!(protocol)),
            ])));
        }
    }
    all
}
