//! The registry settings in docker's `daemon.json`.

use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use crate::transport::registry::RegistryError;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DaemonJson {
    /// Mirrors of Docker Hub, as URLs.
    #[serde(default)]
    pub registry_mirrors: Vec<String>,
    /// Hosts, hosts with ports, or networks in CIDR notation.
    #[serde(default)]
    pub insecure_registries: Vec<String>,
}

impl DaemonJson {
    /// The first of the files that exists.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self, RegistryError> {
        for path in paths.iter().map(AsRef::as_ref) {
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            // Docker treats an empty file like one without settings.
            if text.trim().is_empty() {
                return Ok(Self::default());
            }
            return serde_json::from_str(&text)
                .map_err(|error| RegistryError::Configuration { path: path.to_owned(), reason: error.to_string() });
        }
        Ok(Self::default())
    }

    pub fn is_insecure(&self, host: &str) -> bool {
        self.insecure_registries.iter().any(|entry| matches(entry, host))
    }
}

fn matches(entry: &str, host: &str) -> bool {
    let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest).trim_end_matches('/');
    let name = host.rsplit_once(':').filter(|(name, _)| !name.ends_with(':')).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    entry.eq_ignore_ascii_case(host)
        || entry.eq_ignore_ascii_case(name)
        || address.is_some_and(|address| is_in_network(entry, address))
}

/// Whether the address is in the network `BASE/BITS`.
fn is_in_network(network: &str, address: IpAddr) -> bool {
    let bits_of = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let Some((base, length)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let ((base, width), (address, other_width)) = (bits_of(base), bits_of(address));
    width == other_width && length <= width && (length == 0 || (base ^ address) >> (128 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_registries_are_hosts_or_networks() {
        let of = |entries: &[&str], host: &str| {
            DaemonJson {
                insecure_registries: entries.iter().map(ToString::to_string).collect(),
                ..DaemonJson::default()
            }
            .is_insecure(host)
        };
        assert!(of(&["r.example:5000"], "r.example:5000"));
        assert!(of(&["r.example"], "r.example:5000"));
        assert!(!of(&["r.example:5000"], "r.example:5001"));
        assert!(of(&["10.0.0.0/8"], "10.1.2.3:5000"));
        assert!(!of(&["10.0.0.0/8"], "11.1.2.3:5000"));
        assert!(of(&["fd00::/8"], "[fd00::1]:5000"));
        assert!(!of(&["0.0.0.0/0"], "r.example"));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.json");
        std::fs::write(&path, r#"{"registry-mirrors": ["https://m"], "debug": true}"#).unwrap();
        assert_eq!(DaemonJson::read(&[&path]).unwrap().registry_mirrors, ["https://m"]);
        std::fs::write(&path, "{").unwrap();
        assert!(DaemonJson::read(&[&path]).unwrap_err().to_string().contains("daemon.json"));
    }
}
