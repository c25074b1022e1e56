//! What is stored about a network, in the words of docker's `network inspect`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::error::NetworkError;
use super::subnet::Subnet;
use crate::base::boolean;

pub const BRIDGE: &str = "bridge";
pub const HOST: &str = "host";
pub const NONE: &str = "none";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkRecord {
    pub name: String,
    pub id: String,
    pub created: jiff::Timestamp,
    pub scope: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// No access to other networks, nor from them.
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub config_from: ConfigFrom,
    pub config_only: bool,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Its subnet of IPv4 was chosen here, and may be another one until its bridge is made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_chosen_subnet: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigFrom {
    pub network: String,
}

/// How addresses are assigned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    pub driver: String,
    /// `None` if none were given, as docker shows it.
    pub options: Option<BTreeMap<String, String>>,
    pub config: Vec<IpamPool>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamPool {
    pub subnet: String,
    /// The part of the subnet from which addresses are assigned.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that are used by something else, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A parsed pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pool {
    pub(super) subnet: Subnet,
    pub(super) range: Subnet,
    pub(super) gateway: IpAddr,
    pub(super) reserved: Vec<IpAddr>,
}

impl IpamPool {
    /// Parses the pool, with defaults: the range is the whole subnet, the gateway its first address.
    pub(super) fn understand(&self) -> Result<Pool, NetworkError> {
        let subnet = self.subnet.parse::<Subnet>()?.network();
        let range = if self.ip_range.is_empty() { subnet } else { self.ip_range.parse::<Subnet>()?.network() };
        let outside = |what: String| NetworkError::Refused { what };
        if !subnet.covers(range) {
            return Err(outside(format!("the range {range} is not within the subnet {subnet}")));
        }
        let within = |text: &str| -> Result<IpAddr, NetworkError> {
            let address: IpAddr = text.parse().map_err(|_| NetworkError::BadAddress { text: text.to_owned() })?;
            if subnet.contains(address) {
                Ok(address)
            } else {
                Err(outside(format!("the address {address} is not within the subnet {subnet}")))
            }
        };
        let gateway = match self.gateway.as_str() {
            "" => subnet.hosts().next().ok_or_else(|| outside(format!("the subnet {subnet} has no room")))?,
            text => within(text)?,
        };
        let reserved = self.auxiliary_addresses.values().map(|text| within(text)).collect::<Result<_, _>>()?;
        Ok(Pool { subnet, range, gateway, reserved })
    }
}

impl NetworkRecord {
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    pub fn is_predefined(&self) -> bool {
        matches!(self.name.as_str(), BRIDGE | HOST | NONE)
    }

    pub(super) fn pools(&self) -> Result<Vec<Pool>, NetworkError> {
        self.ipam.config.iter().map(IpamPool::understand).collect()
    }

    /// The name of its bridge on the host.
    pub(super) fn interface(&self) -> String {
        match self.options.get("com.docker.network.bridge.name") {
            Some(name) => name.clone(),
            None => format!("{}{}", super::firewall::PREFIX, self.short_id()),
        }
    }

    /// The value of an option that defaults to true.
    pub(super) fn is_on(&self, option: &str) -> bool {
        self.options.get(option).is_none_or(|value| boolean(value) != Some(false))
    }

    pub(super) fn mtu(&self) -> Option<u32> {
        self.options.get("com.docker.network.driver.mtu").and_then(|text| text.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools() {
        let pool = |subnet: &str, range: &str, gateway: &str| {
            let pool = IpamPool {
                subnet: subnet.into(),
                ip_range: range.into(),
                gateway: gateway.into(),
                ..IpamPool::default()
            };
            pool.understand()
        };
        assert_eq!(pool("10.5.0.0/16", "", "").unwrap().gateway.to_string(), "10.5.0.1");
        let ranged = pool("10.5.0.0/16", "10.5.3.0/24", "10.5.0.254").unwrap();
        assert_eq!((ranged.range.to_string(), ranged.gateway.to_string()), ("10.5.3.0/24".into(), "10.5.0.254".into()));
        assert!(pool("10.5.0.0/16", "10.6.0.0/24", "").is_err());
        assert!(pool("10.5.0.0/16", "", "10.6.0.1").is_err());
        assert!(pool("10.5.0.0", "", "").is_err());
    }
}
