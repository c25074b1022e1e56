//! The network of one running container: its namespace, its places in networks, its published ports and its name server.
//! All goes when this is dropped, and by itself when this process is killed.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::attach::{self, EndpointRequest, Inside, Owner};
use super::describe;
use super::dns::{Names, Sockets, Upstream};
use super::endpoint::{Endpoint, Endpoints};
use super::error::{Doing, NetworkError};
use super::firewall::{self, Way, Ways};
use super::fresh::FreshNamespace;
use super::networks::Networks;
use super::pasta::Pasta;
use super::publish::{self, PortRequest, Published};
use super::record::{BRIDGE, NetworkRecord};
use super::resolver::{Hosts, NameServers};
use super::service::{Forward, Service};
use crate::sandbox::{self, NetworkIsolation};

/// What a container is to be connected to.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The first is where its ports are published, and the way out unless another has a higher priority.
    Networks(Vec<EndpointRequest>),
    Host,
    /// A namespace with nothing but loopback.
    None,
    /// The namespace of that process, of another container.
    OfProcess(i32),
}

#[derive(Debug, Clone)]
pub struct NetworkRequest {
    pub mode: Mode,
    pub ports: Vec<PortRequest>,
    pub name_servers: NameServers,
    /// `NAME:IP`
    pub added_hosts: Vec<String>,
    /// Lines for the hosts file: an address and names.
    pub linked_hosts: Vec<(IpAddr, String)>,
    pub domainname: String,
}

/// Dropped from the top: the services end before the namespace does.
#[derive(Debug)]
pub struct Live {
    /// The name server.
    resolver: Option<Service>,
    _forwards: Option<Service>,
    _ways: Option<Ways>,
    places: Vec<(NetworkRecord, Endpoint)>,
    published: Vec<Published>,
    isolation: NetworkIsolation,
    carrier: Option<Pasta>,
    warning: Option<String>,
    request: NetworkRequest,
    owner: Owner,
    networks: Networks,
}

impl Live {
    /// `fresh` is taken where a namespace is needed.
    pub fn start(
        networks: &Networks,
        owner: &Owner,
        request: &NetworkRequest,
        fresh: Option<FreshNamespace>,
    ) -> Result<Self, NetworkError> {
        let mut live = Self {
            resolver: None,
            _forwards: None,
            _ways: None,
            places: Vec::new(),
            published: Vec::new(),
            isolation: NetworkIsolation::Empty,
            carrier: None,
            warning: None,
            request: request.clone(),
            owner: owner.clone(),
            networks: networks.clone(),
        };
        match &request.mode {
            Mode::Host => live.isolation = NetworkIsolation::Host,
            Mode::None => {}
            Mode::OfProcess(pid) => live.isolation = NetworkIsolation::Namespace(Arc::new(namespace_of(*pid)?)),
            Mode::Networks(_) if networks.is_rootless() => live.carry(fresh)?,
            Mode::Networks(requests) => live.connect(requests, fresh)?,
        }
        Ok(live)
    }

    /// Root's way: bridges.
    fn connect(&mut self, requests: &[EndpointRequest], fresh: Option<FreshNamespace>) -> Result<(), NetworkError> {
        // Whoever starts a container is the only one to run it: what it has is of a life that was cut short.
        for record in self.networks.list()? {
            Endpoints::of(self.networks.state(), &record.id).remove(&self.owner.container);
        }
        // A taken port is said before anything is made.
        let listeners = publish::listen(&self.request.ports)?;
        let FreshNamespace { descriptor, socket: inside } = fresh.map_or_else(FreshNamespace::make, Ok)?;
        let namespace = Arc::new(descriptor);
        let mut by_priority: Vec<(i64, NetworkRecord)> = Vec::new();
        for request in requests {
            let record = self.networks.find(&request.network)?;
            let place = Inside { namespace: &namespace, socket: &inside };
            let endpoint = attach::attach(&self.networks, &record, request, &self.owner, &place)?;
            by_priority.push((request.gateway_priority, record.clone()));
            self.places.push((record, endpoint));
        }
        by_priority.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        attach::route(&inside, &gateways(by_priority.iter().map(|(_, record)| record))?)?;
        self.published = listeners.iter().map(|(published, _)| *published).collect();
        self._ways = self.ways()?;
        let forwards = listeners.into_iter().filter_map(|(published, listener)| {
            let (_, endpoint) = self.places.first()?;
            Some(Forward { listener, target: target(endpoint, &published)? })
        });
        let forwards: Vec<Forward> = forwards.collect();
        if !forwards.is_empty() {
            self._forwards = Some(Service::forward(forwards).doing("start the network's thread")?);
        }
        self.isolation = NetworkIsolation::Namespace(namespace);
        if self.places.iter().any(|(record, _)| record.name != BRIDGE) {
            self.resolve_names()?;
        }
        Ok(())
    }

    /// Starts the name server, unless it is there. A container that is in the default network alone has none: it asks the
    /// host's servers.
    pub fn resolve_names(&mut self) -> Result<(), NetworkError> {
        let NetworkIsolation::Namespace(namespace) = &self.isolation else { return Ok(()) };
        if self.resolver.is_some() || self.carrier.is_some() {
            return Ok(());
        }
        let sockets =
            sandbox::in_network_namespace(namespace, open_resolver).doing("enter the container's network")??;
        let servers = &self.request.name_servers.servers;
        let upstream = match servers.is_empty() {
            true => Upstream::Host,
            false => Upstream::Own { servers: servers.clone(), namespace: Arc::clone(namespace) },
        };
        let names = Names { networks: self.networks.clone(), container: self.owner.container.clone() };
        let service = Service::resolve(sockets, names, upstream).doing("start the name server's thread")?;
        self.resolver = Some(service);
        Ok(())
    }

    /// The kernel's translation of the published ports.
    fn ways(&self) -> Result<Option<Ways>, NetworkError> {
        let Some((record, endpoint)) = self.places.first() else { return Ok(None) };
        let ways = self.published.iter().filter_map(|published| {
            let container = target(endpoint, published)?;
            // The kernel does not translate from one family to the other.
            let way = Way { protocol: published.protocol.number(), host: published.host, container };
            (container.is_ipv4() == published.host.is_ipv4()).then_some(way)
        });
        let ways: Vec<Way> = ways.collect();
        if ways.is_empty() {
            return Ok(None);
        }
        let name = format!("rb-ports-{}", self.owner.container.get(..12).unwrap_or("0"));
        Ways::open(&name, &record.interface(), &ways).doing("publish the ports (nftables)").map(Some)
    }

    /// An ordinary user's way: pasta, which carries everything. Without it the host's network has to do, unless ports
    /// were to be published.
    fn carry(&mut self, fresh: Option<FreshNamespace>) -> Result<(), NetworkError> {
        let published: Vec<Published> =
            publish::listen(&self.request.ports)?.into_iter().map(|(published, _)| published).collect();
        let FreshNamespace { descriptor: namespace, socket: inside } = fresh.map_or_else(FreshNamespace::make, Ok)?;
        match Pasta::start(&namespace, &inside, &published) {
            Ok(carrier) => {
                self.carrier = Some(carrier);
                self.published = published;
                self.warning = self.lonely();
                self.isolation = NetworkIsolation::Namespace(Arc::new(namespace));
                Ok(())
            }
            Err(reason @ (NetworkError::NoPasta | NetworkError::NoTunDevice)) if published.is_empty() => {
                self.warning = Some(format!("using the host's network, with less isolation: {reason}"));
                self.request.mode = Mode::Host;
                self.isolation = NetworkIsolation::Host;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// An ordinary user's containers are carried one by one: on a network with a name they expect company.
    fn lonely(&self) -> Option<String> {
        let Mode::Networks(requests) = &self.request.mode else { return None };
        let named = requests.iter().find(|request| request.network != BRIDGE)?;
        let network = &named.network;
        Some(format!(
            "containers of ordinary users don't reach each other: network {network} has only the way out and published ports"
        ))
    }

    /// Those that the container has a place in since it was started.
    pub fn networks(&self) -> impl Iterator<Item = &NetworkRecord> {
        self.places.iter().map(|(record, _)| record)
    }

    /// For the sandbox.
    pub fn isolation(&self) -> NetworkIsolation {
        self.isolation.clone()
    }

    /// What the user is told when it is not what was asked for.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The container's `hosts` file.
    pub fn hosts(&self) -> Result<String, NetworkError> {
        let carried = self.carrier.as_ref();
        let gateway = match self.request.mode {
            Mode::Host => Some(std::net::Ipv4Addr::LOCALHOST.into()),
            _ => carried.and_then(Pasta::gateway).map(IpAddr::from),
        };
        let own = carried.and_then(Pasta::address).map(IpAddr::from);
        hosts_file(&self.places, &self.owner.hostname, &self.request, own, gateway)
    }

    /// The container's `resolv.conf`.
    pub fn resolv_conf(&self) -> Result<String, NetworkError> {
        resolv_conf(&self.places, &self.request)
    }

    /// docker's `NetworkSettings` while the container runs. `exposed` are like `80/tcp`.
    pub fn settings<'a>(&self, exposed: impl Iterator<Item = &'a str>) -> serde_json::Map<String, Value> {
        let key = match &self.isolation {
            NetworkIsolation::Host => "/proc/1/ns/net".to_owned(),
            _ => String::new(),
        };
        let ports = publish::describe(&self.published, exposed);
        describe::settings(&self.places, &ports, &key)
    }

    pub fn published(&self) -> &[Published] {
        &self.published
    }
}

/// `hosts` and `resolv.conf` of a container that is in these networks.
pub fn files(
    places: &[(NetworkRecord, Endpoint)],
    hostname: &str,
    request: &NetworkRequest,
) -> Result<(String, String), NetworkError> {
    Ok((hosts_file(places, hostname, request, None, None)?, resolv_conf(places, request)?))
}

fn hosts_file(
    places: &[(NetworkRecord, Endpoint)],
    hostname: &str,
    request: &NetworkRequest,
    own: Option<IpAddr>,
    gateway: Option<IpAddr>,
) -> Result<String, NetworkError> {
    let name = match request.domainname.as_str() {
        "" => hostname.to_owned(),
        domain => format!("{hostname}.{domain} {hostname}"),
    };
    let own = places.iter().flat_map(|(_, endpoint)| endpoint.addresses()).chain(own);
    let linked = request.linked_hosts.iter().cloned();
    let first = places.first().map(|(record, _)| record.pools()).transpose()?.unwrap_or_default();
    Hosts {
        own: linked.chain(own.map(|address| (address, name.clone()))).collect(),
        added: request.added_hosts.clone(),
        host_gateway: gateway.or(first.first().map(|pool| pool.gateway)),
    }
    .file()
}

/// In networks that people made, a container asks the resolver here.
fn resolv_conf(places: &[(NetworkRecord, Endpoint)], request: &NetworkRequest) -> Result<String, NetworkError> {
    let servers = &request.name_servers;
    if places.iter().any(|(record, _)| record.name != BRIDGE) {
        return servers.own_resolver_file();
    }
    servers.file(matches!(request.mode, Mode::Host))
}

impl Drop for Live {
    fn drop(&mut self) {
        for (record, endpoint) in &self.places {
            // The kernel takes the interfaces away with the namespace.
            super::endpoint::Endpoints::of(self.networks.state(), &record.id).remove(&endpoint.container);
            // What can't be removed now is removed with the next boot.
            let _ = self.networks.forget_deleted(record);
        }
        // Networks that were joined while it ran.
        for (record, endpoint) in self.networks.of_container(&self.owner.container).unwrap_or_default() {
            super::endpoint::Endpoints::of(self.networks.state(), &record.id).remove(&endpoint.container);
        }
    }
}

/// In the container's namespace, which has no name server yet.
fn open_resolver() -> Result<Sockets, NetworkError> {
    let sockets = Sockets::open().doing("open the resolver")?;
    let addresses = sockets.addresses().doing("open the resolver")?;
    firewall::redirect_questions(addresses).doing("lead questions to the resolver (nftables)")?;
    Ok(sockets)
}

/// The ways out: of each family, that of the first network which has one.
pub(super) fn gateways<'a>(records: impl Iterator<Item = &'a NetworkRecord>) -> Result<Vec<IpAddr>, NetworkError> {
    let mut gateways: Vec<IpAddr> = Vec::new();
    for record in records.filter(|record| !record.internal) {
        for pool in record.pools()? {
            if gateways.iter().all(|other| other.is_ipv4() != pool.gateway.is_ipv4()) {
                gateways.push(pool.gateway);
            }
        }
    }
    Ok(gateways)
}

/// Where a published port leads: to the same family if the container has it.
fn target(endpoint: &Endpoint, published: &Published) -> Option<std::net::SocketAddr> {
    let (ipv4, ipv6) = (endpoint.ipv4.map(IpAddr::from), endpoint.ipv6.map(IpAddr::from));
    let address = if published.host.is_ipv4() { ipv4.or(ipv6) } else { ipv6.or(ipv4) };
    Some((address?, published.container).into())
}

/// The network namespace of a process.
pub(super) fn namespace_of(pid: i32) -> Result<OwnedFd, NetworkError> {
    use crate::io_error::AtPath as _;
    let path = format!("/proc/{pid}/ns/net");
    let path = Path::new(&path);
    Ok(std::fs::File::open(path).at("open", path)?.into())
}
