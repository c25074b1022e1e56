//! Lists containers.

use serde_json::{Map, Value, json};

use std::collections::{BTreeMap, HashMap};

use super::describe::{linked, mounts, places, sizes};
use super::{ContainerFilters, RequestError, status};
use crate::container::network::{Endpoint, NetworkRecord, Networks};
use crate::container::{ContainerError, Containers, Entry, networks_of};
use crate::store::Store;

/// Which containers to list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
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
    keep(store, request, Containers::of(store.root()).list()?)
}

/// The same as docker's API lists them; with `size`, also what their files take.
pub fn rows(store: &Store, request: &ListRequest, size: bool) -> Result<Vec<Value>, RequestError> {
    let entries = Containers::of(store.root()).list()?;
    let mut table = Table { links: links_to(&entries), ..Table::of(store) };
    let shown = keep(store, request, entries)?;
    table.look_at_networks(&shown)?;
    Ok(shown.iter().map(|entry| table.row(entry, size)).collect::<Result<_, _>>()?)
}

/// The same of those, with what their files take.
pub fn rows_with_sizes<'a>(
    store: &Store,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<Vec<Value>, ContainerError> {
    let entries: Vec<&Entry> = entries.into_iter().collect();
    let mut table = Table { links: links_to(entries.iter().copied()), ..Table::of(store) };
    table.look_at_networks(entries.iter().copied())?;
    entries.iter().map(|entry| table.row(entry, true)).collect()
}

fn keep(store: &Store, request: &ListRequest, entries: Vec<Entry>) -> Result<Vec<Entry>, RequestError> {
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

/// What all rows are made with, looked up once.
struct Table {
    networks: Networks,
    /// What running containers have in their networks, by their IDs.
    live: HashMap<String, Vec<(NetworkRecord, Endpoint)>>,
    /// What containers are called by those that link to them, by their names.
    links: BTreeMap<String, Vec<String>>,
}

/// docker lists a container under the names that others know it by, too.
fn links_to<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeMap<String, Vec<String>> {
    let mut links: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in entries {
        for (target, alias) in entry.record.host_config.links.iter().map(|link| linked(link)) {
            links.entry(target.to_owned()).or_default().push(format!("{}/{alias}", entry.record.name));
        }
    }
    links
}

impl Table {
    fn of(store: &Store) -> Self {
        Self { networks: networks_of(store.root()), live: HashMap::new(), links: BTreeMap::new() }
    }

    /// A network's endpoints are read together: asked of each container, all networks would be read for each of them.
    fn look_at_networks<'a>(&mut self, shown: impl IntoIterator<Item = &'a Entry>) -> Result<(), ContainerError> {
        if shown.into_iter().all(|entry| entry.state.pid == 0) {
            return Ok(());
        }
        for network in self.networks.list()? {
            for endpoint in self.networks.endpoints(&network) {
                self.live.entry(endpoint.container.clone()).or_default().push((network.clone(), endpoint));
            }
        }
        Ok(())
    }

    fn row(&self, entry: &Entry, size: bool) -> Result<Value, ContainerError> {
        let record = &entry.record;
        let quoted = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
        let command: Vec<String> = std::iter::once(&record.path).chain(&record.args).map(quoted).collect();
        let links = self.links.get(record.plain_name()).into_iter().flatten();
        let names: Vec<&String> = std::iter::once(&record.name).chain(links).collect();
        let mut row = Map::new();
        let mut add = |key: &str, value: Value| drop(row.insert(key.to_owned(), value));
        add("Id", json!(record.id));
        add("Names", json!(names));
        add("Image", json!(record.config.image));
        add("ImageID", json!(record.image));
        add("Command", json!(command.join(" ")));
        add("Created", json!(record.created.as_second()));
        add("Ports", ports(entry.state.network.get("Ports").unwrap_or(&Value::Null)).into());
        if size {
            let (own, root) = sizes(entry)?;
            // What is zero, docker leaves out here.
            for (key, bytes) in [("SizeRw", own), ("SizeRootFs", root)].into_iter().filter(|(_, bytes)| *bytes != 0) {
                add(key, json!(bytes));
            }
        }
        add("Labels", json!(record.config.run.labels));
        add("State", json!(entry.state.status.as_str()));
        add("Status", json!(status(entry)));
        let mut host = json!({"NetworkMode": record.host_config.network_mode.word()});
        if !record.host_config.annotations.is_empty() {
            host["Annotations"] = json!(record.host_config.annotations);
        }
        add("HostConfig", host);
        let live = self.live.get(&record.id).map_or(&[][..], Vec::as_slice);
        let mut places = places(entry, &self.networks, live);
        for place in places.values_mut() {
            // docker says these of one container alone.
            for key in ["Links", "Aliases", "DriverOpts", "DNSNames"] {
                place[key] = Value::Null;
            }
        }
        add("NetworkSettings", json!({"Networks": places}));
        add("Mounts", mounts(record));
        Ok(row.into())
    }
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
