//! IP networks such as `10.201.0.0/16` and `fd00::/64`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::error::NetworkError;

/// An address and a prefix length. The address may be a host's, as on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    pub address: IpAddr,
    pub length: u8,
}

impl Subnet {
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Self {
        Self { address: address.into(), length }
    }

    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    fn width(self) -> u32 {
        if self.is_ipv4() { 32 } else { 128 }
    }

    /// All bits of the host part.
    fn host_bits(self) -> u128 {
        let bits = self.width() - u32::from(self.length);
        1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
    }

    /// The network itself: the address without its host part.
    pub fn network(self) -> Self {
        let first = number(self.address) & !self.host_bits();
        Self { address: address(first, self.is_ipv4()), length: self.length }
    }

    pub fn contains(self, other: IpAddr) -> bool {
        other.is_ipv4() == self.is_ipv4()
            && number(other) & !self.host_bits() == number(self.address) & !self.host_bits()
    }

    pub fn overlaps(self, other: Self) -> bool {
        let wider = if self.length <= other.length { self } else { other };
        let narrower = if self.length <= other.length { other } else { self };
        wider.contains(narrower.address)
    }

    /// Whether `other` is entirely within this subnet.
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// The usable host addresses: neither the network's own nor (for IPv4) the broadcast address.
    pub fn hosts(self) -> impl Iterator<Item = IpAddr> {
        self.all().filter(move |address| self.is_host(*address))
    }

    /// All addresses, usable or not.
    pub fn all(self) -> impl Iterator<Item = IpAddr> {
        let first = number(self.network().address);
        let is_ipv4 = self.is_ipv4();
        (first..=first | self.host_bits()).map(move |number| address(number, is_ipv4))
    }

    /// Whether a host of this network may have the address.
    pub fn is_host(self, candidate: IpAddr) -> bool {
        let host_part = number(candidate) & self.host_bits();
        let is_wide = !self.is_ipv4() || self.length < 31;
        self.contains(candidate)
            && !(is_wide && host_part == 0)
            && !(is_wide && self.is_ipv4() && host_part == self.host_bits())
    }

    /// The subnets of that length within it, in order.
    pub fn split(self, length: u8) -> impl Iterator<Item = Self> {
        let first = number(self.network().address);
        let shift = self.width() - u32::from(length);
        let count = 1u128 << u32::from(length - self.length).min(64);
        let is_ipv4 = self.is_ipv4();
        (0..count).map(move |index| Self { address: address(first + (index << shift), is_ipv4), length })
    }
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(number: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 { Ipv4Addr::from_bits(number as u32).into() } else { Ipv6Addr::from_bits(number).into() }
}

/// The address in the kernel's form.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Subnet {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError::BadSubnet { text: text.to_owned() };
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        if length > widest { Err(wrong()) } else { Ok(Self { address, length }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn overlaps() {
        for (a, b, expected) in [
            ("10.201.0.0/16", "10.0.0.0/8", true),
            ("10.201.0.0/16", "10.201.7.0/24", true),
            ("10.201.0.0/16", "10.202.0.0/16", false),
            ("10.201.0.0/16", "0.0.0.0/0", true),
            ("fd00::/64", "fd00::1:0:0:0:0/64", false),
            ("fd00::/48", "fd00::1:0:0:0:0/64", true),
            ("::/0", "10.0.0.0/8", false),
        ] {
            assert_eq!(subnet(a).overlaps(subnet(b)), expected, "{a} {b}");
            assert_eq!(subnet(b).overlaps(subnet(a)), expected, "{b} {a}");
        }
        assert!(subnet("10.0.0.0/8").covers(subnet("10.1.0.0/16")));
        assert!(!subnet("10.1.0.0/16").covers(subnet("10.0.0.0/8")));
    }

    #[test]
    fn hosts() {
        let hosts = |text: &str| subnet(text).hosts().map(|address| address.to_string()).collect::<Vec<_>>();
        assert_eq!(hosts("10.9.8.77/30"), ["10.9.8.77", "10.9.8.78"]);
        assert_eq!(hosts("10.9.8.0/31"), ["10.9.8.0", "10.9.8.1"]);
        assert_eq!(hosts("10.9.8.7/32"), ["10.9.8.7"]);
        assert_eq!(subnet("fd00::/64").hosts().next().unwrap().to_string(), "fd00::1");
        assert_eq!(subnet("172.30.0.0/15").split(16).nth(1).unwrap().to_string(), "172.31.0.0/16");
        assert_eq!(subnet("fd00:1::/48").split(64).nth(2).unwrap().to_string(), "fd00:1:0:2::/64");
        assert_eq!(subnet("10.1.2.3/24").network().to_string(), "10.1.2.0/24");
    }

    #[test]
    fn wrong_ones() {
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0/8", "::/129", "10.0.0.0/-1"] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }
}
