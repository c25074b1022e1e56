//! `--network` and related options.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::arguments::NetworkArgs;
use crate::cli::CliError;
use crate::container::network::{BRIDGE, HOST, NONE, parse_hardware_address};
use crate::container::{EndpointConfig, HostConfig, IpamConfig, NetworkMode};

/// The first network, which is docker's network mode.
pub(super) fn mode(args: &NetworkArgs) -> Result<String, CliError> {
    match args.network.first() {
        None => Ok(BRIDGE.to_owned()),
        Some(text) if text.is_empty() => Err(CliError::new("no name set for network")),
        Some(text) => Ok(parse(text)?.0),
    }
}

impl NetworkArgs {
    /// Whether the container needs its own network namespace, not the host's, another container's or none.
    pub(in crate::cli) fn needs_namespace(&self) -> bool {
        self.network.iter().all(|name| name != HOST && name != NONE && !is_container(name))
    }
}

/// All networks by name, with their options.
pub(super) fn endpoints(args: &NetworkArgs) -> Result<BTreeMap<String, EndpointConfig>, CliError> {
    let mut all = BTreeMap::new();
    for (index, text) in args.network.iter().enumerate() {
        let (name, mut config) = parse(text)?;
        if index == 0 {
            add_plain_options(args, &mut config)?;
        }
        if is_container(&name) {
            continue;
        }
        if all.insert(name.clone(), config).is_some() {
            return Err(CliError::new(format!("network \"{name}\" is specified multiple times")));
        }
    }
    if args.network.is_empty() {
        let mut config = EndpointConfig::default();
        add_plain_options(args, &mut config)?;
        all.insert(BRIDGE.to_owned(), config);
    }
    Ok(all)
}

/// A name, or `name=NAME,alias=...,ip=...`.
fn parse(text: &str) -> Result<(String, EndpointConfig), CliError> {
    let mut config = EndpointConfig::default();
    if !text.contains('=') {
        let name = if text == "default" { BRIDGE } else { text };
        return Ok((name.to_owned(), config));
    }
    let wrong = |message: String| CliError::new(format!("invalid --network `{text}`: {message}"));
    let (mut name, mut ipam) = (String::new(), IpamConfig::default());
    for field in text.split(',') {
        let (key, value) = field.split_once('=').ok_or_else(|| wrong(format!("invalid field {field}")))?;
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = value.to_owned(),
            "alias" => config.aliases.push(value.to_owned()),
            "ip" => ipam.ipv4_address = value.to_owned(),
            "ip6" => ipam.ipv6_address = value.to_owned(),
            "link-local-ip" => ipam.link_local_ips.push(value.to_owned()),
            "mac-address" => config.mac_address = value.to_owned(),
            "gw-priority" => {
                config.gw_priority = value.parse().map_err(|_| wrong(format!("invalid gw-priority ({value})")))?;
            }
            "driver-opt" => return Err(wrong("the bridge driver has no options for containers".to_owned())),
            other => return Err(wrong(format!("invalid field key {other}"))),
        }
    }
    if name.is_empty() {
        return Err(wrong("it needs a name".to_owned()));
    }
    check_addresses(&ipam, &config.mac_address)?;
    config.ipam_config = Some(ipam).filter(|ipam| *ipam != IpamConfig::default());
    Ok((name, config))
}

/// Applies `--ip`, `--network-alias` and so on to the first network.
fn add_plain_options(args: &NetworkArgs, config: &mut EndpointConfig) -> Result<(), CliError> {
    let conflict = |what: &str, with: &str| {
        Err(CliError::new(format!("conflicting options: cannot specify both {what} and per-network {with}")))
    };
    let mut ipam = config.ipam_config.clone().unwrap_or_default();
    if !args.network_alias.is_empty() {
        if !config.aliases.is_empty() {
            return conflict("--network-alias", "alias");
        }
        config.aliases = args.network_alias.clone();
    }
    if let Some(address) = &args.ip {
        if !ipam.ipv4_address.is_empty() {
            return conflict("--ip", "IPv4 address");
        }
        ipam.ipv4_address = address.clone();
    }
    if let Some(address) = &args.ip6 {
        if !ipam.ipv6_address.is_empty() {
            return conflict("--ip6", "IPv6 address");
        }
        ipam.ipv6_address = address.clone();
    }
    if let Some(address) = &args.mac_address {
        if !config.mac_address.is_empty() {
            return conflict("--mac-address", "MAC address");
        }
        config.mac_address = address.clone();
    }
    ipam.link_local_ips.extend(args.link_local_ip.iter().cloned());
    check_addresses(&ipam, &config.mac_address)?;
    config.ipam_config = Some(ipam).filter(|ipam| *ipam != IpamConfig::default());
    Ok(())
}

fn check_addresses(ipam: &IpamConfig, hardware: &str) -> Result<(), CliError> {
    let check = |text: &str, is_right: fn(&IpAddr) -> bool, kind: &str| match text.parse() {
        Ok(address) if is_right(&address) => Ok(()),
        _ if text.is_empty() => Ok(()),
        _ => Err(CliError::new(format!("invalid {kind} address: {text}"))),
    };
    check(&ipam.ipv4_address, IpAddr::is_ipv4, "IPv4")?;
    check(&ipam.ipv6_address, IpAddr::is_ipv6, "IPv6")?;
    for address in &ipam.link_local_ips {
        check(address, |_| true, "link-local")?;
    }
    if !hardware.is_empty() {
        parse_hardware_address(hardware)
            .map_err(|_| CliError::new(format!("{hardware} is not a valid mac address")))?;
    }
    Ok(())
}

/// `NAME:ALIAS`; the alias defaults to the name.
pub(super) fn link(text: &str) -> Result<String, CliError> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [name] if !name.is_empty() => Ok(format!("{name}:{name}")),
        [name, alias] if !name.is_empty() && !alias.is_empty() => Ok(text.to_owned()),
        _ => Err(CliError::new(format!("bad format for links: {text}"))),
    }
}

/// Refuses contradicting options.
pub(super) fn check(args: &NetworkArgs, host: &HostConfig) -> Result<(), CliError> {
    let mode = &host.network_mode;
    let conflict = |what: &str| Err(CliError::new(format!("conflicting options: {what}")));
    let (has_container, has_links) = (mode.container().is_some(), !args.link.is_empty());
    if mode.container() == Some("") {
        return Err(CliError::new("invalid container format container:<name|id>"));
    }
    if has_container {
        for (is_there, what) in [
            (args.hostname.is_some(), "hostname and the network mode"),
            (has_links, "container type network can't be used with links. This would result in undefined behavior"),
            (!args.dns.is_empty(), "dns and the network mode"),
            (!args.add_host.is_empty(), "custom host-to-IP mapping and the network mode"),
            (args.mac_address.is_some(), "mac-address and the network mode"),
            (!args.publish.is_empty() || args.publish_all, "port publishing and the container type network mode"),
            (!args.expose.is_empty(), "port exposing and the container type network mode"),
        ] {
            if is_there {
                return conflict(what);
            }
        }
    }
    if *mode == NetworkMode::Host && has_links {
        return conflict("host type networking can't be used with links. This would result in undefined behavior");
    }
    let is_plain = !mode.has_places();
    let is_own = |text: &String| !matches!(text.as_str(), HOST | NONE | BRIDGE | "default") && !is_container(text);
    if let Some(twice) = args.network.iter().enumerate().find(|(at, name)| args.network[..*at].contains(name)) {
        let text = format!("network \"{}\" is specified multiple times", twice.1);
        return Err(CliError::new(text).exit_code(super::NOT_RUN));
    }
    if args.network.len() > 1 && !args.network.iter().all(is_own) {
        return conflict("cannot attach both user-defined and non-user-defined network-modes");
    }
    if is_plain || mode.is_bridge() {
        let first = args.network.first().map(|text| parse(text)).transpose()?;
        let own = first.map(|(_, config)| config).unwrap_or_default();
        if !args.network_alias.is_empty() || !own.aliases.is_empty() {
            let text = "network-scoped aliases are only supported for user-defined networks";
            return Err(CliError::new(text).exit_code(super::NOT_RUN));
        }
        let has_address = |ipam: &IpamConfig| !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty();
        if args.ip.is_some() || args.ip6.is_some() || own.ipam_config.as_ref().is_some_and(has_address) {
            return Err(CliError::new("user specified IP address is supported on user defined networks only"));
        }
    }
    for text in &args.add_host {
        crate::cli::build::values::host(text).map_err(|error| error.exit_code(super::NOT_RUN))?;
    }
    for server in &args.dns {
        server.parse::<IpAddr>().map_err(|_| CliError::new(format!("{server} is not an ip address")))?;
    }
    Ok(())
}

fn is_container(mode: &str) -> bool {
    mode.starts_with("container:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> NetworkArgs {
        #[derive(Debug, clap::Parser)]
        #[command(disable_help_flag = true)]
        struct Parser {
            #[command(flatten)]
            args: NetworkArgs,
        }
        <Parser as clap::Parser>::parse_from(["x"]).args
    }

    #[test]
    fn the_long_form() {
        let text = "name=net,alias=a,alias=b,ip=10.1.0.9,mac-address=92:d0:c6:0a:29:33,gw-priority=2";
        let args = NetworkArgs { network: vec![text.to_owned(), "other".to_owned()], ..args() };
        let all = endpoints(&args).unwrap();
        assert_eq!(mode(&args).unwrap(), "net");
        assert_eq!((all["net"].aliases.len(), all["net"].gw_priority), (2, 2));
        assert_eq!(all["net"].ipam_config.as_ref().unwrap().ipv4_address, "10.1.0.9");
        assert_eq!(all["other"], EndpointConfig::default());
        for wrong in ["name=", "alias=a", "name=n,x=y", "name=n,ip=x", "name=n,mac-address=1", "name=n,ip=::1"] {
            assert!(endpoints(&NetworkArgs { network: vec![wrong.to_owned()], ..self::args() }).is_err(), "{wrong}");
        }
        let twice = NetworkArgs { network: vec!["n".to_owned(), "n".to_owned()], ..self::args() };
        assert!(endpoints(&twice).is_err());
    }

    #[test]
    fn conflicts() {
        let check_with = |mode: &str, args: NetworkArgs| {
            check(&args, &HostConfig { network_mode: NetworkMode::of(mode), ..HostConfig::default() })
        };
        let with = |change: fn(&mut NetworkArgs)| {
            let mut args = args();
            change(&mut args);
            args
        };
        assert!(check_with("container:a", with(|args| args.publish = vec!["80".into()])).is_err());
        assert!(check_with("container:a", with(|args| args.hostname = Some("x".into()))).is_err());
        assert!(check_with("bridge", with(|args| args.ip = Some("10.0.0.9".into()))).is_err());
        assert!(check_with("bridge", with(|args| args.network_alias = vec!["a".into()])).is_err());
        assert!(check_with("net", with(|args| args.ip = Some("10.0.0.9".into()))).is_ok());
        assert!(check_with("host", with(|args| args.link = vec!["a".into()])).is_err());
        assert!(check_with("bridge", with(|args| args.dns = vec!["x".into()])).is_err());
        assert!(check_with("bridge", with(|args| args.add_host = vec!["x".into()])).is_err());
        assert!(link("a").is_ok_and(|link| link == "a:a") && link("a:b:c").is_err() && link("a:").is_err());
    }
}
