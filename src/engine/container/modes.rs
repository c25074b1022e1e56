//! docker's grammar of ports and extra hosts.

use std::net::IpAddr;

use super::RequestError;
use crate::container::{HostConfig, NetworkMode};

/// Refuses values that docker does not accept.
pub fn check(host: &HostConfig) -> Result<(), RequestError> {
    let refuse = |text: String| Err(RequestError::refused(text));
    for (port, bindings) in &host.port_bindings {
        let number = port.split('/').next().unwrap_or_default();
        let wrong = [number].into_iter().chain(bindings.iter().map(|binding| binding.host_port.as_str()));
        if let Some(wrong) = wrong.into_iter().find(|text| !is_port(text)) {
            return refuse(format!("invalid port specification: {wrong:?}"));
        }
    }
    if let Some(wrong) = host.dns.iter().find(|text| text.parse::<IpAddr>().is_err()) {
        return refuse(format!("bad nameserver address {wrong}"));
    }
    if let Some(wrong) = host.links.iter().find(|link| link.split(':').count() > 2) {
        return refuse(format!("bad format for links: {wrong}"));
    }
    if host.network_mode == NetworkMode::Host && !host.links.is_empty() {
        let text = "conflicting options: host type networking can't be used with links. This would result in undefined \
                    behavior";
        return refuse(text.to_owned());
    }
    host.extra_hosts.iter().try_for_each(|text| check_extra_host(text))
}

/// Empty, a port, or a range of ports.
fn is_port(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok();
    text.is_empty() || number(first).zip(number(last)).is_some_and(|(first, last)| first <= last)
}

/// `NAME:ADDRESS`, `NAME=ADDRESS`
fn check_extra_host(text: &str) -> Result<(), RequestError> {
    let parts = text.split_once('=').or_else(|| text.split_once(':')).filter(|(name, _)| !name.is_empty());
    let Some((_, address)) = parts else {
        return Err(RequestError::refused(format!("bad format for add-host: {text:?}")));
    };
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if address == "host-gateway" || inner.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(RequestError::refused(format!("invalid IP address in add-host: {address:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::PortBinding;

    fn said(change: impl FnOnce(&mut HostConfig)) -> Option<String> {
        let mut host = HostConfig::default();
        change(&mut host);
        check(&host).err().map(|error| error.to_string())
    }

    #[test]
    fn hosts_in_dockers_words() {
        let text = |words: &str| Some(words.to_owned());
        assert_eq!(said(|_| ()), None);
        assert_eq!(said(|host| host.extra_hosts = vec!["x".to_owned()]), text("bad format for add-host: \"x\""));
        let good = ["a:1.2.3.4", "a=::1", "a:[::1]", "a:host-gateway"].map(str::to_owned).to_vec();
        assert_eq!(said(|host| host.extra_hosts = good), None);
    }

    #[test]
    fn ports() {
        let with = |port: &str, at: &str| {
            let binding = PortBinding { host_port: at.to_owned(), ..PortBinding::default() };
            said(|host| drop(host.port_bindings.insert(port.to_owned(), vec![binding])))
        };
        for (port, at) in [("80/tcp", ""), ("80", "8080"), ("80/udp", "8000-8010")] {
            assert_eq!(with(port, at), None, "{port} {at}");
        }
        assert_eq!(with("99999999/tcp", ""), Some("invalid port specification: \"99999999\"".to_owned()));
        assert_eq!(with("80/tcp", "-1"), Some("invalid port specification: \"-1\"".to_owned()));
    }
}
