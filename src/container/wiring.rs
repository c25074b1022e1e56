//! Connects a container to its networks: the only file of this folder that sets up networking.
//!
//! [`begin`] is called before the program starts, in the process that stays until the container has ended, and returns
//! what the sandbox has to know. While the sandbox mounts the container's files, [`Wiring::connect`] creates the
//! endpoints. Everything is undone on drop, when the container has ended.

use std::fs::{File, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::directory::{Containers, Entry, LOCK};
use super::error::ContainerError;
use super::host_config::NetworkMode;
use super::links;
use super::record::{EndpointConfig, NetworkSettings, Record};
use super::users;
use crate::base::io_error::AtPath;
use crate::container::network::{
    EndpointRequest, FreshNamespace, Live, Mode, NameServers, NetworkError, NetworkRecord, NetworkRequest, Networks,
    Owner, PortRequest, Protocol, parse_hardware_address,
};
use crate::container::sandbox::{Mount, MountSource, NetworkIsolation, RemappedUsers, user_namespace};

/// The files that describe a container's network, in its folder and in `/etc`.
const FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// A container's connection to its networks. It ends on drop.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) isolation: NetworkIsolation,
    /// The container's user namespace, if it is not the host's. It owns the network namespace.
    pub(super) users: Option<Arc<RemappedUsers>>,
    /// `resolv.conf`, `hosts` and `hostname`.
    pub(super) files: Vec<Mount>,
    /// Variables that describe linked containers.
    pub(super) environment: Vec<String>,
    /// For inspect: addresses, ports, networks.
    pub(super) settings: NetworkSettings,
    /// A warning for the user.
    pub(super) warning: Option<String>,
    /// The networks that it joined at its start.
    networks: Vec<NetworkRecord>,
    /// Whether the files are its own, and not another container's.
    has_own_files: bool,
    live: Option<Live>,
}

impl Wiring {
    /// Creates the container's endpoints, and writes the files that describe them.
    pub(super) fn connect(&mut self, record: &Record, folder: &Path) -> Result<(), ContainerError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        live.connect()?;
        if self.has_own_files {
            let texts = [live.resolv_conf()?, format!("{}\n", record.config.hostname), live.hosts()?];
            write_files(folder, &texts)?;
        }
        let exposed = record.config.run.exposed_ports.iter().map(String::as_str);
        self.settings = live.settings(exposed).into_iter().collect();
        self.warning = live.warning().map(str::to_owned);
        self.networks = joined(record, live);
        Ok(())
    }

    pub(super) fn networks(&self) -> &[NetworkRecord] {
        &self.networks
    }

    /// To be called periodically.
    pub(super) fn look_after_way_out(&mut self) {
        self.live.iter_mut().for_each(Live::look_after_way_out);
    }

    /// Appends to the warning for the user.
    pub(super) fn add_warning(&mut self, text: String) {
        self.warning = Some(match self.warning.take() {
            Some(other) => format!("{other}; {text}"),
            None => text,
        });
    }

    /// Enables the name server after the container has joined a network with name resolution.
    pub(super) fn resolve_names(&mut self) -> Result<(), ContainerError> {
        Ok(self.live.as_mut().map_or(Ok(()), Live::resolve_names)?)
    }
}

/// Starts to connect the container of that folder, in an existing network namespace or a new one.
pub(super) fn begin(record: &Record, folder: &Path, fresh: Option<FreshNamespace>) -> Result<Wiring, ContainerError> {
    let store_root = folder.parent().and_then(Path::parent).unwrap_or(folder);
    let containers = Containers::of(store_root);
    let partner = partner(record, &containers)?;
    let linked = links::find(record, &containers)?;
    let request = request(record, partner.as_ref(), &linked)?;
    let users = users::of(record, &containers)?;
    let fresh = match &users {
        // Its users could not use a network namespace of the host's.
        Some(users) => Some(FreshNamespace::of(users.network().at("copy", "a network namespace")?)?),
        None => fresh,
    };
    let live = Live::begin(&networks_of(store_root), &owner(record, folder), &request, fresh)?;
    // A container that shares another one's network shares the files that describe it.
    let files_in = match &partner {
        Some(partner) => partner.folder().to_owned(),
        None => {
            make_files(folder)?;
            folder.to_owned()
        }
    };
    Ok(Wiring {
        isolation: live.isolation(),
        users,
        files: FILES.iter().map(|name| file(&files_in, name, record)).collect(),
        environment: links::environment(record, &linked),
        settings: NetworkSettings::new(),
        warning: None,
        networks: Vec::new(),
        has_own_files: partner.is_none(),
        live: Some(live),
    })
}

/// No network, for a container that is read without being started. The files exist if it ever was.
pub(super) fn nothing(record: &Record, folder: &Path) -> Wiring {
    Wiring {
        isolation: NetworkIsolation::Empty,
        users: None,
        files: FILES.iter().filter(|name| folder.join(name).exists()).map(|name| file(folder, name, record)).collect(),
        environment: Vec::new(),
        settings: NetworkSettings::new(),
        warning: None,
        networks: Vec::new(),
        has_own_files: true,
        live: None,
    }
}

/// The host's network and `none` have no endpoints.
fn joined(record: &Record, live: &Live) -> Vec<NetworkRecord> {
    let places: Vec<NetworkRecord> = live.joined().cloned().collect();
    if !places.is_empty() {
        return places;
    }
    record.networks.keys().filter_map(|name| live.networks().find(name).ok()).collect()
}

/// The networks of the store in that folder.
pub fn networks_of(store_root: &Path) -> Networks {
    Networks::of(store_root, user_namespace::entered().is_some())
}

/// The owner of the container's endpoints.
pub fn owner(record: &Record, folder: &Path) -> Owner {
    Owner {
        container: record.id.clone(),
        name: record.plain_name().to_owned(),
        hostname: record.config.hostname.clone(),
        lock: folder.join(LOCK),
    }
}

/// The running container whose network it shares.
fn partner(record: &Record, containers: &Containers) -> Result<Option<Entry>, ContainerError> {
    let Some(name) = record.host_config.network_mode.container() else { return Ok(None) };
    let partner = containers.find(name)?;
    if partner.state.pid == 0 {
        let what = format!("cannot join network of a non running container: {}", partner.record.plain_name());
        return Err(NetworkError::Refused { what }.into());
    }
    Ok(Some(partner))
}

fn request(
    record: &Record,
    partner: Option<&Entry>,
    linked: &[links::Linked],
) -> Result<NetworkRequest, ContainerError> {
    let host = &record.host_config;
    let mode = match (&host.network_mode, partner) {
        (_, Some(partner)) => Mode::OfProcess(partner.state.pid),
        (NetworkMode::Host, None) => Mode::Host,
        (NetworkMode::None, None) => Mode::None,
        (mode, None) => {
            let mut networks: Vec<(&String, &EndpointConfig)> = record.networks.iter().collect();
            networks.sort_by_key(|(name, _)| Some(name.as_str()) != mode.network());
            let requests = networks.into_iter().map(|(name, config)| endpoint_request(name, config, &host.links));
            Mode::Networks(requests.collect::<Result<_, _>>()?)
        }
    };
    Ok(NetworkRequest {
        ports: if matches!(mode, Mode::Networks(_)) { ports(record)? } else { Vec::new() },
        mode,
        name_servers: NameServers {
            servers: host.dns.clone(),
            search: host.dns_search.clone(),
            options: host.dns_options.clone(),
        },
        added_hosts: host.extra_hosts.clone(),
        linked_hosts: linked.iter().filter_map(links::Linked::hosts_line).collect(),
        domainname: record.config.domainname.clone(),
    })
}

/// Converts docker's `EndpointSettings`.
pub fn endpoint_request(
    network: &str,
    config: &EndpointConfig,
    links: &[String],
) -> Result<EndpointRequest, ContainerError> {
    let ipam = config.ipam_config.clone().unwrap_or_default();
    let address = |text: &str| -> Result<Option<IpAddr>, NetworkError> {
        let parse = || text.parse().map_err(|_| NetworkError::BadAddress { text: text.to_owned() });
        if text.is_empty() { Ok(None) } else { parse().map(Some) }
    };
    let wrong = |text: &str| NetworkError::BadAddress { text: text.to_owned() };
    let hardware = match config.mac_address.as_str() {
        "" => None,
        text => Some(parse_hardware_address(text)?),
    };
    Ok(EndpointRequest {
        network: network.to_owned(),
        aliases: config.aliases.clone(),
        links: config.links.iter().chain(links).cloned().collect(),
        ipv4: match address(&ipam.ipv4_address)? {
            Some(IpAddr::V6(_)) => return Err(wrong(&ipam.ipv4_address).into()),
            Some(IpAddr::V4(address)) => Some(address),
            None => None,
        },
        ipv6: match address(&ipam.ipv6_address)? {
            Some(IpAddr::V4(_)) => return Err(wrong(&ipam.ipv6_address).into()),
            Some(IpAddr::V6(address)) => Some(address),
            None => None,
        },
        hardware_address: hardware,
        more_addresses: ipam
            .link_local_ips
            .iter()
            .filter_map(|text| address(text).transpose())
            .collect::<Result<_, _>>()?,
        gateway_priority: config.gw_priority,
    })
}

/// The published ports; with `-P`, also the exposed ports that were not named.
fn ports(record: &Record) -> Result<Vec<PortRequest>, ContainerError> {
    let host = &record.host_config;
    let mut requests = Vec::new();
    for (port, bindings) in &host.port_bindings {
        for binding in bindings {
            requests.push(port_request(port, &binding.host_ip, &binding.host_port)?);
        }
    }
    if host.publish_all_ports {
        let exposed = record.config.run.exposed_ports.iter();
        for port in exposed.filter(|port| !host.port_bindings.contains_key(*port)) {
            requests.push(port_request(port, "", "")?);
        }
    }
    Ok(requests)
}

fn port_request(port: &str, host_ip: &str, host_port: &str) -> Result<PortRequest, ContainerError> {
    let wrong = |what: String| ContainerError::from(NetworkError::Refused { what });
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let parse = |text: &str| text.parse::<u16>().map_err(|_| wrong(format!("invalid port: {text}")));
    let host_ports = match host_port.split_once('-') {
        _ if matches!(host_port, "" | "0") => None,
        Some((first, last)) => Some((parse(first)?, parse(last)?)),
        None => Some((parse(host_port)?, parse(host_port)?)),
    };
    let host_address: Option<IpAddr> = match host_ip {
        "" => None,
        text => Some(text.parse().map_err(|_| wrong(format!("invalid IP address: {text}")))?),
    };
    Ok(PortRequest { container: parse(number)?, protocol: protocol.parse::<Protocol>()?, host_address, host_ports })
}

/// Rewrites `hosts` and `resolv.conf` of a running container after it has joined or left a network.
pub fn refresh_files(record: &Record, folder: &Path) -> Result<(), ContainerError> {
    let store_root = folder.parent().and_then(Path::parent).unwrap_or(folder);
    let containers = Containers::of(store_root);
    let networks = networks_of(store_root);
    let places = networks.of_container(&record.id)?;
    let request = request(record, None, &links::find(record, &containers).unwrap_or_default())?;
    let (hosts, resolv_conf) = crate::container::network::files(&networks, &places, &record.config.hostname, &request)?;
    write_files(folder, &[resolv_conf, format!("{}\n", record.config.hostname), hosts])
}

/// Creates the files for the sandbox, which mounts them before they are written.
fn make_files(folder: &Path) -> Result<(), ContainerError> {
    for name in FILES {
        let path = folder.join(name);
        let file = File::options().create(true).append(true).open(&path).at("create", &path)?;
        // Every program of the container reads them; nobody else gets into the folder that has them.
        file.set_permissions(Permissions::from_mode(0o644)).at("change the mode of", &path)?;
    }
    Ok(())
}

/// Writes in place, because a running container has the files mounted.
fn write_files(folder: &Path, texts: &[String; 3]) -> Result<(), ContainerError> {
    for (name, text) in FILES.iter().zip(texts) {
        let path = folder.join(name);
        std::fs::write(&path, text).at("write", &path)?;
    }
    Ok(())
}

/// They are read-only if the root filesystem is.
fn file(folder: &Path, name: &str, record: &Record) -> Mount {
    Mount {
        target: Path::new("/etc").join(name),
        source: MountSource::Own(folder.join(name)),
        read_only: record.host_config.readonly_rootfs,
        shallow: false,
        lasting: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_docker_keeps_them() {
        let request = port_request("80/udp", "127.0.0.1", "8000-8010").unwrap();
        assert_eq!((request.container, request.protocol, request.host_ports), (80, Protocol::Udp, Some((8000, 8010))));
        assert_eq!(port_request("80", "", "").unwrap().host_ports, None);
        assert!(port_request("80/sctp", "", "").is_err());
        assert!(port_request("99999/tcp", "", "").is_err());
    }

    #[test]
    fn endpoints() {
        let config: EndpointConfig = serde_json::from_str(
            r#"{"IPAMConfig":{"IPv4Address":"10.1.0.9","IPv6Address":"fd00::9"},"MacAddress":"92:d0:c6:0a:29:33"}"#,
        )
        .unwrap();
        let request = endpoint_request("net", &config, &["a:b".to_owned()]).unwrap();
        assert_eq!((request.ipv4, request.links), (Some([10, 1, 0, 9].into()), vec!["a:b".to_owned()]));
        let wrong: EndpointConfig = serde_json::from_str(r#"{"IPAMConfig":{"IPv4Address":"fd00::9"}}"#).unwrap();
        assert!(endpoint_request("net", &wrong, &[]).is_err());
    }
}
