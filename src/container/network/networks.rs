//! Creates, finds and removes a store's networks. Records are in the store; what is in use, in the state folder.
//!
//! ```text
//! <store>/networks/<id>.json
//! <state>/networks/<id>/     see `endpoint`; for `bridge`, which all stores share, also its record
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::addresses;
use super::endpoint::{self, Endpoint, Endpoints};
use super::error::{Doing, NetworkError};
use super::link;
use super::machine::{self, Machine};
use super::netlink::Socket;
use super::record::{BRIDGE, HOST, Ipam, IpamPool, NONE, NetworkRecord};
use super::subnet::Subnet;
use super::{bridge, firewall};
use crate::base::foreign::are_owners_recorded;
use crate::base::hex;
use crate::base::io_error::AtPath;

/// What root's rbuild processes share about networks; empty after a reboot.
const STATE: &str = "/run/rbuild";

/// The IDs of the predefined networks.
const PREDEFINED: [(&str, &str, &str); 3] = [
    (BRIDGE, "bridge", "b7d15e2f30c94a6881f2a5c6d3e40b97b7d15e2f30c94a6881f2a5c6d3e40b97"),
    (HOST, "host", "4057a9e2c61d43b58f7ea03bd9124c684057a9e2c61d43b58f7ea03bd9124c68"),
    (NONE, "null", "90e0c1b3a2f54d7796e8d4c5b6a7180290e0c1b3a2f54d7796e8d4c5b6a71802"),
];

#[derive(Debug, Clone)]
pub struct Networks {
    folder: PathBuf,
    state: PathBuf,
    machine: Machine,
}

/// A request for a network.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    pub name: String,
    pub driver: String,
    pub internal: bool,
    pub attachable: bool,
    pub ipv6: bool,
    pub ipam_driver: String,
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// It only has settings for other networks; no container can join it.
    pub config_only: bool,
    /// The network whose settings it takes; empty for its own.
    pub config_from: String,
    pub pools: Vec<IpamPool>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// Takes the settings of another network, as requested. The new network has none of its own.
fn with_settings_of(mut new: NewNetwork, others: &[NetworkRecord]) -> Result<NewNetwork, NetworkError> {
    if new.config_from.is_empty() {
        return Ok(new);
    }
    let has_own =
        new.ipv6 || new.internal || !new.pools.is_empty() || !new.options.is_empty() || !new.labels.is_empty();
    if has_own || new.config_only {
        let what = "a network with --config-from has no settings of its own".to_owned();
        return Err(NetworkError::Refused { what });
    }
    let source = others.iter().find(|other| other.config_only && other.name == new.config_from);
    let source = source.ok_or_else(|| NetworkError::NoConfig { name: new.config_from.clone() })?;
    new.ipv6 = source.enable_ipv6;
    new.internal = source.internal;
    new.pools = source.ipam.config.clone();
    new.ipam_options = source.ipam.options.clone();
    new.options = source.options.clone();
    new.labels = source.labels.clone();
    Ok(new)
}

impl Networks {
    /// The networks of the store in that folder. `rootless`: this process is only root of a user namespace.
    pub fn of(store_root: &Path, rootless: bool) -> Self {
        // The addresses of an ordinary user's containers can't collide with those of another store.
        let is_own = rootless || are_owners_recorded();
        let state = if is_own { store_root.join("networks/state") } else { PathBuf::from(STATE) };
        Self { folder: store_root.join("networks"), state, machine: Machine::of(store_root, rootless) }
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Creates the namespace for the bridges and starts its uplink, and keeps both while this process lives, so that
    /// they are ready when a container needs them. An error after which only the uplink is missing `is_no_way_out`.
    pub fn open(&self) -> Result<(), NetworkError> {
        // The default network's subnet is chosen again, as after a reboot. If the old file stays, that does no harm.
        self.machine.open(|| drop(std::fs::remove_file(self.bridge_path())))
    }

    /// To be called before a process that called `open` ends, so that nothing is left behind.
    pub fn leave(&self) -> Result<(), NetworkError> {
        self.machine.leave()
    }

    /// Removes what users that were killed have left behind.
    pub fn tidy(&self) -> Result<(), NetworkError> {
        self.machine.tidy()
    }

    /// The value of `host-gateway` in a container in these networks.
    pub(super) fn host_gateway(&self, first: Option<&NetworkRecord>) -> Result<Option<IpAddr>, NetworkError> {
        if !self.machine.is_host() {
            return Ok(if self.machine.has_way_out() { machine::host_address() } else { None });
        }
        let pools = first.map(NetworkRecord::pools).transpose()?.unwrap_or_default();
        Ok(pools.first().map(|pool| pool.gateway))
    }

    /// All networks: the predefined ones first, then the others by name.
    pub fn list(&self) -> Result<Vec<NetworkRecord>, NetworkError> {
        let since = self.since();
        // All stores of a machine share this bridge, but each has its own age.
        let bridge = NetworkRecord { created: since, ..self.bridge_record()? };
        let mut all = vec![bridge, predefined(HOST, 1, since), predefined(NONE, 2, since)];
        let mut own = self.own()?;
        own.sort_by(|a, b| a.name.cmp(&b.name));
        all.append(&mut own);
        Ok(all)
    }

    fn own(&self) -> Result<Vec<NetworkRecord>, NetworkError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at("read", &self.folder)?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        // One may be removed meanwhile.
        Ok(records.map(|path| read(&path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The network with that name, ID, or unique prefix of an ID.
    pub fn find(&self, word: &str) -> Result<NetworkRecord, NetworkError> {
        let word = if word == "default" { BRIDGE } else { word };
        let mut all = self.list()?;
        if let Some(position) = all.iter().position(|record| record.id == word || record.name == word) {
            return Ok(all.swap_remove(position));
        }
        all.retain(|record| !word.is_empty() && record.id.starts_with(word));
        match all.len() {
            0 => Err(NetworkError::Unknown { name: word.to_owned() }),
            1 => Ok(all.remove(0)),
            _ => Err(NetworkError::Ambiguous { prefix: word.to_owned() }),
        }
    }

    pub fn create(&self, new: NewNetwork) -> Result<NetworkRecord, NetworkError> {
        check_name(&new.name)?;
        match new.driver.as_str() {
            "bridge" | "" => {}
            "host" | "null" | "none" => {
                return Err(NetworkError::OneInstance { driver: new.driver });
            }
            _ => return Err(NetworkError::Driver { driver: new.driver }),
        }
        // This frees their subnets.
        self.forget_deleted_stores();
        let _lock = endpoint::lock(&self.folder.join("lock"))?;
        let others = self.list()?;
        if others.iter().any(|record| record.name == new.name) {
            return Err(NetworkError::NameTaken { name: new.name });
        }
        let id = random_id()?;
        let _machine = self.lock_choice()?;
        let new = with_settings_of(new, &others)?;
        let has_chosen_subnet = new.pools.iter().all(|pool| pool.subnet.is_empty() || pool.subnet.contains(':'));
        let pools = if new.config_only { new.pools.clone() } else { self.pools(&new, &id, &others)? };
        let record = NetworkRecord {
            name: new.name,
            created: jiff::Timestamp::now(),
            scope: "local".to_owned(),
            driver: "bridge".to_owned(),
            enable_ipv4: true,
            enable_ipv6: new.ipv6 || pools.iter().any(|pool| pool.subnet.contains(':')),
            ipam: Ipam { driver: or(&new.ipam_driver, "default"), options: new.ipam_options, config: pools },
            internal: new.internal,
            attachable: new.attachable,
            ingress: false,
            config_from: super::record::ConfigFrom { network: new.config_from },
            config_only: new.config_only,
            options: new.options,
            labels: new.labels,
            has_chosen_subnet,
            id,
        };
        bridge::check_options(&record)?;
        write(&self.folder.join(format!("{}.json", record.id)), &record)?;
        let _lock = Endpoints::of(&self.state, &record.id).lock()?;
        self.note_origin(&record)?;
        Ok(record)
    }

    /// The requested pools, checked; always with one for IPv4.
    fn pools(&self, new: &NewNetwork, id: &str, others: &[NetworkRecord]) -> Result<Vec<IpamPool>, NetworkError> {
        let mut taken: Vec<(Subnet, String)> = Vec::new();
        for other in others.iter().filter(|other| !other.config_only) {
            for pool in other.pools()? {
                taken.push((pool.subnet, format!("that of network {}", other.name)));
            }
        }
        let routes = bridge::host_routes()?;
        if self.machine.is_host() {
            taken.extend(routes.iter().map(|route| (*route, "a route of this machine".to_owned())));
        }
        for is_ipv6 in [false, true] {
            let of_kind =
                new.pools.iter().filter(|pool| !pool.subnet.is_empty() && pool.subnet.contains(':') == is_ipv6);
            if of_kind.count() > 1 {
                return Err(NetworkError::ManySubnets);
            }
        }
        let mut pools: Vec<IpamPool> = Vec::new();
        for pool in new.pools.iter().filter(|pool| !pool.subnet.is_empty()) {
            let understood = pool.understand()?;
            if let Some((_, other)) = taken.iter().find(|(subnet, _)| subnet.overlaps(understood.subnet)) {
                return Err(NetworkError::Overlap { subnet: understood.subnet.to_string(), other: other.clone() });
            }
            taken.push((understood.subnet, "another of the same network".to_owned()));
            // A gateway that nobody named is not shown, as with docker.
            pools.push(IpamPool { subnet: understood.subnet.to_string(), ..pool.clone() });
        }
        // A subnet that is chosen here must not hide any network of the host, nor be used by another store.
        let mut subnets = self.taken_subnets()?;
        subnets.extend(taken.iter().map(|(subnet, _)| *subnet));
        if pools.iter().all(|pool| pool.subnet.contains(':')) {
            pools.insert(0, with_gateway(addresses::free_subnet(&subnets)?)?);
        }
        if new.ipv6 && pools.iter().all(|pool| !pool.subnet.contains(':')) {
            pools.push(with_gateway(addresses::ipv6_subnet(id)?)?);
        }
        Ok(pools)
    }

    /// Removes an unused network.
    pub fn remove(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        if record.is_predefined() {
            return Err(NetworkError::Predefined { name: record.name.clone() });
        }
        if record.config_only && self.own()?.iter().any(|other| other.config_from.network == record.name) {
            return Err(NetworkError::ConfigInUse { name: record.name.clone() });
        }
        let endpoints = Endpoints::of(&self.state, &record.id);
        let lock = endpoints.lock()?;
        let used = endpoints.list_and_reap();
        if !used.is_empty() {
            let endpoints = used.into_iter().map(|endpoint| (endpoint.name, endpoint.id)).collect();
            return Err(NetworkError::InUse { name: record.name.clone(), endpoints });
        }
        self.remove_bridge(record)?;
        let path = self.path(record);
        std::fs::remove_file(&path).at("remove", &path)?;
        endpoints.remove_all()?;
        drop(lock);
        Ok(())
    }

    pub(super) fn path(&self, record: &NetworkRecord) -> PathBuf {
        self.folder.join(format!("{}.json", record.id))
    }

    /// Keeps what was changed of a network.
    pub(super) fn rewrite(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        write(&self.file_of(record), record)
    }

    /// The network as it is now; nothing when it is gone.
    pub(super) fn reread(&self, record: &NetworkRecord) -> Result<Option<NetworkRecord>, NetworkError> {
        read(&self.file_of(record))
    }

    fn file_of(&self, record: &NetworkRecord) -> PathBuf {
        if record.name == BRIDGE { self.bridge_path() } else { self.path(record) }
    }

    pub(super) fn remove_bridge(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let removed = self.machine.if_there(|| {
            let socket = Socket::open(None).doing("open a netlink socket")?;
            let interface = record.interface();
            if link::find(&socket, &interface).doing("look for the bridge")?.is_some() {
                link::delete(&socket, &interface).doing("remove the bridge")?;
            }
            firewall::remove(&interface).doing("remove the bridge's rules (nftables)")
        });
        removed.map(drop)
    }

    /// Removes what is left on this machine of a network whose store was deleted, once it is unused.
    pub(super) fn forget_deleted(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        if record.is_predefined() || self.path(record).exists() { Ok(()) } else { self.forget_unused(record) }
    }

    /// The running containers of a network.
    pub fn endpoints(&self, record: &NetworkRecord) -> Vec<Endpoint> {
        Endpoints::of(&self.state, &record.id).list()
    }

    /// The networks of a running container, and its endpoints there.
    pub fn of_container(&self, container: &str) -> Result<Vec<(NetworkRecord, Endpoint)>, NetworkError> {
        let with_endpoint = |record: NetworkRecord| {
            let endpoint = Endpoints::of(&self.state, &record.id).get(container)?;
            Some((record, endpoint))
        };
        Ok(self.list()?.into_iter().filter_map(with_endpoint).collect())
    }

    /// The creation time of the predefined networks is that of the store.
    fn since(&self) -> jiff::Timestamp {
        let status = self.folder.parent().and_then(|root| std::fs::metadata(root).ok());
        let time = status.and_then(|status| status.created().or_else(|_| status.modified()).ok());
        time.and_then(|time| time.try_into().ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    fn bridge_path(&self) -> PathBuf {
        self.state.join("networks").join(PREDEFINED[0].2).join("record.json")
    }

    /// The default network. Its subnet is chosen when it is first needed after a boot.
    fn bridge_record(&self) -> Result<NetworkRecord, NetworkError> {
        let endpoints = Endpoints::of(&self.state, PREDEFINED[0].2);
        let path = self.bridge_path();
        if let Some(record) = read(&path)? {
            return Ok(record);
        }
        let _lock = endpoints.lock()?;
        if let Some(record) = read(&path)? {
            return Ok(record);
        }
        let mut record = predefined(BRIDGE, 0, self.since());
        let _machine = self.lock_choice()?;
        let existing = if self.machine.is_host() { bridge::default_subnet()? } else { None };
        let subnet = existing.map_or_else(|| addresses::free_subnet(&self.taken_subnets()?), Ok)?;
        record.has_chosen_subnet = true;
        record.ipam.config = vec![with_gateway(subnet)?];
        record.options.insert("com.docker.network.bridge.name".to_owned(), bridge::DEFAULT.to_owned());
        write(&path, &record)?;
        Ok(record)
    }
}

pub(super) fn with_gateway(subnet: Subnet) -> Result<IpamPool, NetworkError> {
    let pool = IpamPool { subnet: subnet.to_string(), ..IpamPool::default() };
    let gateway = pool.understand()?.gateway.to_string();
    Ok(IpamPool { gateway, ..pool })
}

fn predefined(name: &str, index: usize, created: jiff::Timestamp) -> NetworkRecord {
    let (_, driver, id) = PREDEFINED[index];
    NetworkRecord {
        name: name.to_owned(),
        id: id.to_owned(),
        created,
        scope: "local".to_owned(),
        driver: driver.to_owned(),
        enable_ipv4: true,
        enable_ipv6: false,
        ipam: Ipam { driver: "default".to_owned(), ..Ipam::default() },
        internal: false,
        attachable: false,
        ingress: false,
        config_from: super::record::ConfigFrom::default(),
        config_only: false,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        has_chosen_subnet: false,
    }
}

fn check_name(name: &str) -> Result<(), NetworkError> {
    if matches!(name, BRIDGE | HOST | NONE | "default") {
        return Err(NetworkError::PredefinedName { name: name.to_owned() });
    }
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(NetworkError::BadName { name: name.to_owned() });
    }
    Ok(())
}

/// An ID of 64 hexadecimal digits.
pub(super) fn random_id() -> Result<String, NetworkError> {
    hex::random_id().doing("get random numbers")
}

fn or(text: &str, usual: &str) -> String {
    if text.is_empty() { usual.to_owned() } else { text.to_owned() }
}

fn read(path: &Path) -> Result<Option<NetworkRecord>, NetworkError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.at("read", path)?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| NetworkError::DamagedRecord { path: path.to_owned(), source })
}

fn write(path: &Path, record: &NetworkRecord) -> Result<(), NetworkError> {
    let bytes =
        serde_json::to_vec(record).map_err(|source| NetworkError::DamagedRecord { path: path.to_owned(), source })?;
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes).at("write", &temporary)?;
    Ok(std::fs::rename(&temporary, path).at("rename", &temporary)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, subnet: &str) -> NewNetwork {
        let pools = vec![IpamPool { subnet: subnet.to_owned(), ..IpamPool::default() }];
        NewNetwork { name: name.to_owned(), pools, ..NewNetwork::default() }
    }

    #[test]
    fn networks_come_and_go() {
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::of(store.path(), true);
        let first = networks.create(named("first", "10.77.0.0/24")).unwrap();
        assert_eq!((first.ipam.config[0].gateway.as_str(), first.pools().unwrap().len()), ("", 1));
        assert!(matches!(networks.create(named("first", "")), Err(NetworkError::NameTaken { .. })));
        assert!(matches!(networks.create(named("second", "10.77.0.128/25")), Err(NetworkError::Overlap { .. })));
        assert!(matches!(networks.create(named("host", "")), Err(NetworkError::PredefinedName { .. })));
        assert!(matches!(networks.create(named("x\n", "")), Err(NetworkError::BadName { .. })));
        let second = networks.create(NewNetwork { ipv6: true, ..named("second", "") }).unwrap();
        assert!(second.enable_ipv6 && second.ipam.config.len() == 2);
        assert_eq!(networks.find(&first.id[..6]).unwrap(), first);
        let names: Vec<String> = networks.list().unwrap().into_iter().map(|record| record.name).collect();
        assert_eq!(names, ["bridge", "host", "none", "first", "second"]);
        networks.remove(&first).unwrap();
        assert!(matches!(networks.find("first"), Err(NetworkError::Unknown { .. })));
        let bridge = networks.find("default").unwrap();
        assert!(matches!(networks.remove(&bridge), Err(NetworkError::Predefined { .. })));
    }
}
