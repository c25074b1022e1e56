//! The network of a running container: its namespace, its endpoints, its published ports and its name server.
//! Everything is removed on drop, and also if this process is killed.

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
use super::netlink::Socket;
use super::networks::Networks;
use super::publish::{self, Listener, PortRequest, Published};
use super::record::{BRIDGE, NetworkRecord};
use super::resolver::{Hosts, NameServers};
use super::service::{Forward, Service};
use crate::base::io_error::chain;
use crate::container::sandbox::{self, NetworkIsolation};

/// What a container is connected to.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The first network has its published ports, and the default route unless another one has a higher priority.
    Networks(Vec<EndpointRequest>),
    Host,
    /// A namespace with nothing but loopback.
    None,
    /// The namespace of that process of another container.
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

/// Fields are dropped in order: the services end before the namespace does.
#[derive(Debug)]
pub struct Live {
    /// The name server.
    resolver: Option<Service>,
    _forwards: Option<Service>,
    _ways: Option<Ways>,
    places: Vec<(NetworkRecord, Endpoint)>,
    published: Vec<Published>,
    isolation: NetworkIsolation,
    warning: Option<String>,
    /// Set until its endpoints are created.
    unconnected: Option<Unconnected>,
    /// Whether it had an uplink that can fail.
    is_carried: bool,
    request: NetworkRequest,
    owner: Owner,
    networks: Networks,
}

/// What is needed to create a container's endpoints.
#[derive(Debug)]
struct Unconnected {
    /// A netlink socket in its namespace.
    socket: Socket,
    listeners: Vec<(Published, Listener)>,
    /// Why there is no uplink, if known.
    closed: Option<NetworkError>,
}

impl Live {
    /// Decides where its network is; [`Self::connect`] creates the endpoints. Uses `fresh` if a namespace is needed.
    pub fn begin(
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
            warning: None,
            unconnected: None,
            is_carried: false,
            request: request.clone(),
            owner: owner.clone(),
            networks: networks.clone(),
        };
        match &request.mode {
            Mode::Host => live.isolation = NetworkIsolation::Host,
            Mode::None => {}
            Mode::OfProcess(pid) => live.isolation = NetworkIsolation::Namespace(Arc::new(namespace_of(*pid)?)),
            Mode::Networks(_) => match networks.open() {
                Err(reason) if reason.is_no_pasta() && live.can_use_host_network() => live.use_host_network(&reason),
                Err(reason) if reason.is_no_way_out() => live.take_namespace(fresh, Some(reason))?,
                opened => {
                    opened?;
                    match live.take_namespace(fresh, None) {
                        Err(reason) if reason.is_forbidden() && live.can_use_host_network() => {
                            live.use_host_network(&reason)
                        }
                        taken => taken?,
                    }
                }
            },
        }
        Ok(live)
    }

    /// `closed` is why there is no uplink, if known.
    fn take_namespace(
        &mut self,
        fresh: Option<FreshNamespace>,
        closed: Option<NetworkError>,
    ) -> Result<(), NetworkError> {
        // A port in use is reported before anything is created.
        let listeners = publish::listen(&self.request.ports)?;
        let FreshNamespace { descriptor, socket } = fresh.map_or_else(FreshNamespace::make, Ok)?;
        self.isolation = NetworkIsolation::Namespace(Arc::new(descriptor));
        self.unconnected = Some(Unconnected { socket, listeners, closed });
        Ok(())
    }

    /// Creates its endpoints and everything that belongs to them. Called before the program starts.
    pub fn connect(&mut self) -> Result<(), NetworkError> {
        let Some(Unconnected { socket: inside, listeners, closed }) = self.unconnected.take() else { return Ok(()) };
        let (NetworkIsolation::Namespace(namespace), Mode::Networks(requests)) = (&self.isolation, &self.request.mode)
        else {
            return Ok(());
        };
        // Only this process runs the container: existing endpoints were left behind by a run that was killed.
        for record in self.networks.list()? {
            Endpoints::of(self.networks.state(), &record.id).remove(&self.owner.container);
        }
        let (networks, owner, places) = (&self.networks, &self.owner, &mut self.places);
        let place = Inside { namespace, socket: &inside };
        networks.machine().within(|| {
            for request in requests {
                let mut record = networks.find(&request.network)?;
                let endpoint = attach::attach(networks, &mut record, request, owner, &place)?;
                places.push((record, endpoint));
            }
            Ok(())
        })?;
        let mut by_priority: Vec<_> = requests.iter().zip(&self.places).collect();
        by_priority.sort_by_key(|(request, _)| std::cmp::Reverse(request.gateway_priority));
        attach::route(&inside, &gateways(by_priority.iter().map(|(_, (record, _))| record))?)?;
        self.publish(listeners)?;
        if self.places.iter().any(|(record, _)| record.name != BRIDGE) {
            self.resolve_names()?;
        }
        self.look_for_way_out(closed)
    }

    /// Forwards the ports that are already listened on.
    fn publish(&mut self, listeners: Vec<(Published, Listener)>) -> Result<(), NetworkError> {
        self.published = listeners.iter().map(|(published, _)| *published).collect();
        if self.networks.machine().is_host() {
            self._ways = self.ways()?;
        }
        let forwards = listeners.into_iter().filter_map(|(published, listener)| {
            let (_, endpoint) = self.places.first()?;
            Some(Forward { listener, target: target(endpoint, &published)? })
        });
        let forwards: Vec<Forward> = forwards.collect();
        if !forwards.is_empty() {
            let from = self.networks.machine().namespace()?;
            self._forwards = Some(Service::forward(forwards, from).doing("start the network's thread")?);
        }
        Ok(())
    }

    fn look_for_way_out(&mut self, closed: Option<NetworkError>) -> Result<(), NetworkError> {
        if self.places.iter().all(|(record, _)| record.internal) {
            return Ok(());
        }
        match closed.map_or_else(|| self.networks.machine().await_way_out(), Err) {
            Ok(()) => self.is_carried = !self.networks.machine().is_host(),
            Err(reason) if reason.is_no_way_out() => {
                self.warning = Some(format!("containers reach each other, but nothing outside: {reason}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// To be called periodically: restarts pasta once if it has died.
    pub fn look_after_way_out(&mut self) {
        if self.is_carried && !self.networks.machine().has_way_out() {
            // There is nobody to tell. The next container that starts tries again, and reports what is wrong.
            self.is_carried = self.networks.open().is_ok();
        }
    }

    /// Whether the container only needs an uplink.
    fn can_use_host_network(&self) -> bool {
        let only_default = |requests: &[EndpointRequest]| requests.iter().all(|request| request.network == BRIDGE);
        self.request.ports.is_empty() && matches!(&self.request.mode, Mode::Networks(all) if only_default(all))
    }

    /// Programs that need an uplink can still run.
    fn use_host_network(&mut self, reason: &NetworkError) {
        self.warning = Some(format!("using the host's network, with less isolation: {}", chain(reason)));
        self.request.mode = Mode::Host;
        self.isolation = NetworkIsolation::Host;
    }

    /// Starts the name server, unless it runs. A container in the default network alone uses the host's servers
    /// instead.
    pub fn resolve_names(&mut self) -> Result<(), NetworkError> {
        let NetworkIsolation::Namespace(namespace) = &self.isolation else { return Ok(()) };
        if self.resolver.is_some() {
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

    /// The kernel's NAT of the published ports.
    fn ways(&self) -> Result<Option<Ways>, NetworkError> {
        let Some((record, endpoint)) = self.places.first() else { return Ok(None) };
        let ways = self.published.iter().filter_map(|published| {
            let container = target(endpoint, published)?;
            // The kernel does not translate between address families.
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

    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The networks that the container joined at its start.
    pub fn joined(&self) -> impl Iterator<Item = &NetworkRecord> {
        self.places.iter().map(|(record, _)| record)
    }

    pub fn isolation(&self) -> NetworkIsolation {
        self.isolation.clone()
    }

    /// A warning for the user if the network is not what was requested.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The container's `hosts` file.
    pub fn hosts(&self) -> Result<String, NetworkError> {
        hosts_file(&self.networks, &self.places, &self.owner.hostname, &self.request)
    }

    /// The container's `resolv.conf`.
    pub fn resolv_conf(&self) -> Result<String, NetworkError> {
        resolv_conf(&self.places, &self.request)
    }

    /// docker's `NetworkSettings` of the running container. `exposed` has entries like `80/tcp`.
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

/// `hosts` and `resolv.conf` of a container in these networks.
pub fn files(
    networks: &Networks,
    places: &[(NetworkRecord, Endpoint)],
    hostname: &str,
    request: &NetworkRequest,
) -> Result<(String, String), NetworkError> {
    Ok((hosts_file(networks, places, hostname, request)?, resolv_conf(places, request)?))
}

fn hosts_file(
    networks: &Networks,
    places: &[(NetworkRecord, Endpoint)],
    hostname: &str,
    request: &NetworkRequest,
) -> Result<String, NetworkError> {
    let name = match request.domainname.as_str() {
        "" => hostname.to_owned(),
        domain => format!("{hostname}.{domain} {hostname}"),
    };
    let own = places.iter().flat_map(|(_, endpoint)| endpoint.addresses());
    let linked = request.linked_hosts.iter().cloned();
    let host_gateway = match request.mode {
        Mode::Host => Some(std::net::Ipv4Addr::LOCALHOST.into()),
        _ => networks.host_gateway(places.first().map(|(record, _)| record))?,
    };
    Hosts {
        own: linked.chain(own.map(|address| (address, name.clone()))).collect(),
        added: request.added_hosts.clone(),
        host_gateway,
    }
    .file()
}

/// In user-defined networks, a container asks rbuild's resolver.
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
            // The kernel removes the interfaces with the namespace.
            super::endpoint::Endpoints::of(self.networks.state(), &record.id).remove(&endpoint.container);
            // If this fails now, the next reboot removes it.
            let _ = self.networks.forget_deleted(record);
        }
        // Networks that were joined while it ran.
        for (record, endpoint) in self.networks.of_container(&self.owner.container).unwrap_or_default() {
            super::endpoint::Endpoints::of(self.networks.state(), &record.id).remove(&endpoint.container);
        }
    }
}

/// Called in the container's namespace, which has no name server yet.
fn open_resolver() -> Result<Sockets, NetworkError> {
    let sockets = Sockets::open().doing("open the resolver")?;
    let addresses = sockets.addresses().doing("open the resolver")?;
    firewall::redirect_questions(addresses).doing("lead questions to the resolver (nftables)")?;
    Ok(sockets)
}

/// For each address family, the gateway of the first network that has one.
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

/// The target of a published port: in the same family, if the container has it.
fn target(endpoint: &Endpoint, published: &Published) -> Option<std::net::SocketAddr> {
    let (ipv4, ipv6) = (endpoint.ipv4.map(IpAddr::from), endpoint.ipv6.map(IpAddr::from));
    let address = if published.host.is_ipv4() { ipv4.or(ipv6) } else { ipv6.or(ipv4) };
    Some((address?, published.container).into())
}

/// The network namespace of a process.
pub(super) fn namespace_of(pid: i32) -> Result<OwnedFd, NetworkError> {
    use crate::base::io_error::AtPath as _;
    let path = format!("/proc/{pid}/ns/net");
    let path = Path::new(&path);
    Ok(std::fs::File::open(path).at("open", path)?.into())
}
