//! `--link` on the default network, which has no name resolution: lines of the hosts file, and variables.

use std::net::IpAddr;

use super::directory::{Containers, Entry};
use super::error::ContainerError;
use super::record::Record;
use super::wiring::networks_of;
use crate::container::network::{BRIDGE, Endpoint, NetworkError};

/// The target of a link.
#[derive(Debug)]
pub(super) struct Linked {
    alias: String,
    target: Entry,
    endpoint: Option<Endpoint>,
}

/// Checks that all link targets exist; otherwise the container can't be created.
pub(super) fn check(links: &[String], containers: &Containers) -> Result<(), ContainerError> {
    for link in links {
        let name = link.split(':').next().unwrap_or(link);
        if matches!(containers.find(name), Err(ContainerError::NotFound { .. })) {
            return Err(ContainerError::NoLinked { name: name.to_owned() });
        }
    }
    Ok(())
}

/// The linked containers, which must be running. On user-defined networks, the name server handles links.
pub(super) fn find(record: &Record, containers: &Containers) -> Result<Vec<Linked>, ContainerError> {
    if !record.host_config.network_mode.is_bridge() {
        return Ok(Vec::new());
    }
    let one = |link: &String| {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        let target = containers.find(name)?;
        if target.state.pid == 0 {
            let own = record.plain_name();
            let what =
                format!("cannot link to a non running container: /{} AS /{own}/{alias}", target.record.plain_name());
            return Err(NetworkError::Refused { what }.into());
        }
        let places = networks_of(containers.store_root()).of_container(&target.record.id)?;
        let endpoint = places.into_iter().find(|(network, _)| network.name == BRIDGE).map(|(_, endpoint)| endpoint);
        Ok(Linked { alias: alias.trim_start_matches('/').to_owned(), target, endpoint })
    };
    record.host_config.links.iter().map(one).collect()
}

impl Linked {
    fn address(&self) -> Option<IpAddr> {
        self.endpoint.as_ref()?.addresses().next()
    }

    /// The target's address; and its alias, host name and name.
    pub(super) fn hosts_line(&self) -> Option<(IpAddr, String)> {
        let record = &self.target.record;
        let mut names = self.alias.clone();
        for name in [record.config.hostname.as_str(), record.plain_name()] {
            if names.split(' ').all(|other| other != name) {
                names = format!("{names} {name}");
            }
        }
        Some((self.address()?, names))
    }
}

/// The variables by which docker describes linked containers.
pub(super) fn environment(record: &Record, linked: &[Linked]) -> Vec<String> {
    linked.iter().flat_map(|one| variables(record, one)).collect()
}

fn variables(record: &Record, linked: &Linked) -> Vec<String> {
    let Some(address) = linked.address() else { return Vec::new() };
    let run = &linked.target.record.config.run;
    let prefix = linked.alias.to_ascii_uppercase().replace('-', "_");
    let mut ports: Vec<(u16, &str)> = run
        .exposed_ports
        .iter()
        .filter_map(|port| {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            Some((number.parse().ok()?, protocol))
        })
        .collect();
    ports.sort_unstable();
    let mut variables = Vec::new();
    if let Some((port, protocol)) = ports.first() {
        variables.push(format!("{prefix}_PORT={protocol}://{address}:{port}"));
    }
    for (port, protocol) in ports {
        let name = format!("{prefix}_PORT_{port}_{}", protocol.to_ascii_uppercase());
        variables.push(format!("{name}={protocol}://{address}:{port}"));
        variables.push(format!("{name}_ADDR={address}"));
        variables.push(format!("{name}_PORT={port}"));
        variables.push(format!("{name}_PROTO={protocol}"));
    }
    variables.push(format!("{prefix}_NAME=/{}/{}", record.plain_name(), linked.alias));
    let own = ["PATH", "HOME", "HOSTNAME", "TERM"];
    let told = run.env.iter().filter_map(|entry| entry.split_once('=')).filter(|(name, _)| !own.contains(name));
    variables.extend(told.map(|(name, value)| format!("{prefix}_ENV_{name}={value}")));
    variables
}
