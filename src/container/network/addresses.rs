//! Chooses the addresses of containers: the requested one, or the lowest free one.

use std::net::IpAddr;

use super::endpoint::Endpoint;
use super::error::NetworkError;
use super::record::Pool;
use super::subnet::Subnet;

/// Where subnets are chosen: private ranges that routers and other container tools rarely use come first.
const RANGES: [(&str, u8); 4] =
    [("10.201.0.0/16", 16), ("172.24.0.0/13", 16), ("10.202.0.0/15", 20), ("192.168.128.0/17", 20)];

/// Chooses a free address of the pool. `taken` are the endpoints of the network.
pub(super) fn choose(
    network: &str,
    pool: &Pool,
    wanted: Option<IpAddr>,
    taken: &[Endpoint],
) -> Result<IpAddr, NetworkError> {
    let is_free = |address: IpAddr| {
        address != pool.gateway
            && !pool.reserved.contains(&address)
            && taken.iter().all(|endpoint| endpoint.addresses().all(|other| other != address))
    };
    let network = || network.to_owned();
    match wanted {
        Some(address) if !pool.subnet.contains(address) => {
            Err(NetworkError::AddressOutside { address, network: network() })
        }
        Some(address) if !is_free(address) => Err(NetworkError::AddressInUse { address, network: network() }),
        Some(address) => Ok(address),
        None => {
            // The first and last address of the subnet can't be used, but may be within the range.
            let is_host = |address: &IpAddr| pool.subnet.is_host(*address);
            let mut hosts = pool.range.all().filter(is_host);
            hosts.find(|address| is_free(*address)).ok_or_else(|| NetworkError::NoFreeAddress { network: network() })
        }
    }
}

/// A subnet for a new network that overlaps with none of `taken`.
pub(super) fn free_subnet(taken: &[Subnet]) -> Result<Subnet, NetworkError> {
    let ranges = RANGES.iter().filter_map(|(range, length)| Some((range.parse::<Subnet>().ok()?, *length)));
    let mut candidates = ranges.flat_map(|(range, length)| range.split(length));
    let is_free = |candidate: &Subnet| taken.iter().all(|other| other.length == 0 || !other.overlaps(*candidate));
    candidates.find(is_free).ok_or(NetworkError::NoFreeSubnet)
}

/// A private IPv6 subnet derived from a network's ID (RFC 4193).
pub(super) fn ipv6_subnet(network_id: &str) -> Result<Subnet, NetworkError> {
    let digits = network_id.get(..14).unwrap_or_default();
    let (a, rest) = digits.split_at_checked(2).unwrap_or_default();
    let (b, rest) = rest.split_at_checked(4).unwrap_or_default();
    let (c, d) = rest.split_at_checked(4).unwrap_or_default();
    format!("fd{a}:{b}:{c}:{d}::/64").parse()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::container::network::endpoint::tests::endpoint;
    use crate::container::network::record::IpamPool;

    fn pool(subnet: &str, range: &str) -> Pool {
        IpamPool { subnet: subnet.into(), ip_range: range.into(), ..IpamPool::default() }.understand().unwrap()
    }

    #[test]
    fn the_lowest_free_address() {
        let pool_of_five = pool("10.9.8.0/29", "");
        let mut taken = Vec::new();
        for number in 2..=6 {
            let address = choose("n", &pool_of_five, None, &taken).unwrap();
            assert_eq!(address.to_string(), format!("10.9.8.{number}"));
            let IpAddr::V4(own) = address else { panic!() };
            taken.push(Endpoint { ipv4: Some(own), ..endpoint("c", "c", Path::new("/")) });
        }
        assert!(matches!(choose("n", &pool_of_five, None, &taken), Err(NetworkError::NoFreeAddress { .. })));
        taken.remove(2);
        assert_eq!(choose("n", &pool_of_five, None, &taken).unwrap().to_string(), "10.9.8.4");
        assert_eq!(choose("n", &pool("10.9.0.0/16", "10.9.8.0/30"), None, &taken).unwrap().to_string(), "10.9.8.0");
    }

    #[test]
    fn a_wanted_address() {
        let pool = pool("10.9.8.0/24", "");
        let taken = [endpoint("c", "c", Path::new("/"))];
        let wanted = |text: &str| choose("n", &pool, Some(text.parse().unwrap()), &taken);
        assert_eq!(wanted("10.9.8.9").unwrap().to_string(), "10.9.8.9");
        assert!(matches!(wanted("10.9.8.7"), Err(NetworkError::AddressInUse { .. })));
        assert!(matches!(wanted("10.9.8.1"), Err(NetworkError::AddressInUse { .. })));
        assert!(matches!(wanted("10.9.9.9"), Err(NetworkError::AddressOutside { .. })));
    }

    #[test]
    fn a_subnet_that_nothing_overlaps_with() {
        let taken = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Subnet>>();
        assert_eq!(free_subnet(&taken(&["0.0.0.0/0"])).unwrap().to_string(), "10.201.0.0/16");
        assert_eq!(free_subnet(&taken(&["10.0.0.0/8", "172.24.0.0/16"])).unwrap().to_string(), "172.25.0.0/16");
        assert_eq!(free_subnet(&taken(&["10.201.0.0/16", "172.16.0.0/12"])).unwrap().to_string(), "10.202.0.0/20");
        assert!(free_subnet(&taken(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])).is_err());
        assert_eq!(ipv6_subnet("0123456789abcdef").unwrap().to_string(), "fd01:2345:6789:abcd::/64");
    }
}
