//! Packet rules: NAT and isolation for each bridge, and the DNAT of published ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::netlink::Socket;
use super::nft::{self, Lasts, Rule, Table};
use super::subnet::Subnet;

/// The prefix of rbuild's interfaces.
pub(super) const PREFIX: &str = "rb-";

const COMMENT: &str = "rbuild's containers";

#[derive(Debug)]
pub(super) struct BridgeRules<'a> {
    pub(super) bridge: &'a str,
    pub(super) subnets: &'a [Subnet],
    /// No access to other networks, nor from them.
    pub(super) internal: bool,
    pub(super) masquerade: bool,
    /// Whether its containers may talk to each other.
    pub(super) open_inside: bool,
}

impl BridgeRules<'_> {
    /// Installs the rules, unless they exist. [`remove`] removes them.
    pub(super) fn ensure(&self) -> io::Result<()> {
        let socket = nft::open()?;
        if !nft::has_table(&socket, self.bridge) {
            let chains = vec![(nft::POSTROUTING, self.translation()), (nft::FORWARD, self.isolation())];
            Table { name: self.bridge, lasts: Lasts::UntilRemoved, chains }.install(&socket)?;
        }
        let other = self.bridge.strip_prefix(PREFIX).map_or(self.bridge, |_| PREFIX);
        pass_foreign_filters(&socket, other)
    }

    fn translation(&self) -> Vec<Rule> {
        let subnets = self.subnets.iter().filter(|_| self.masquerade && !self.internal);
        subnets.map(|subnet| Rule::default().from(*subnet).not_to_interface(self.bridge).masquerade()).collect()
    }

    /// Incoming packets are accepted if they are replies, or were sent to a published port.
    fn isolation(&self) -> Vec<Rule> {
        let within = Rule::default().coming_from(self.bridge).going_to(self.bridge);
        let mut rules = vec![if self.open_inside { within.accept() } else { within.established().accept() }];
        if self.internal {
            rules.push(Rule::default().coming_from(self.bridge).drop());
        } else {
            rules.push(Rule::default().going_to(self.bridge).established().accept());
            rules.push(Rule::default().going_to(self.bridge).translated().accept());
        }
        rules.push(Rule::default().going_to(self.bridge).drop());
        rules
    }
}

pub(super) fn remove(bridge: &str) -> io::Result<()> {
    nft::remove_table(&nft::open()?, bridge)
}

/// A packet must be accepted by every table. Docker's, if present, drops unknown packets; so the bridges' packets are
/// accepted there, in the chain that docker leaves to users, or else at the start of the chain.
fn pass_foreign_filters(socket: &Socket, prefix: &str) -> io::Result<()> {
    for family in [nft::IPV4, nft::IPV6] {
        if nft::drops_by_default(socket, family, "filter", "FORWARD") != Some(true) {
            continue;
        }
        let own = nft::drops_by_default(socket, family, "filter", "DOCKER-USER");
        let place = ("filter", if own.is_some() { "DOCKER-USER" } else { "FORWARD" });
        if !nft::has_comment(socket, family, place, COMMENT) {
            let rules = [
                Rule::default().coming_from_any(prefix).count().accept(),
                Rule::default().going_to_any(prefix).count().accept(),
            ];
            nft::prepend(socket, family, place, &rules, COMMENT)?;
        }
    }
    Ok(())
}

/// A port of the host that is forwarded to a container's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// 6 for TCP, 17 for UDP.
    pub(super) protocol: u8,
    pub(super) host: SocketAddr,
    pub(super) container: SocketAddr,
}

/// The rules for a container's published ports. They are removed on drop, or when this process ends.
#[derive(Debug)]
pub(super) struct Ways {
    _owner: Socket,
}

impl Ways {
    /// Loopback addresses and containers of the same bridge are left to the forwarders: the kernel can't route replies
    /// to them back through the translation.
    pub(super) fn open(name: &str, bridge: &str, ways: &[Way]) -> io::Result<Self> {
        let socket = nft::open()?;
        let rules = |from_outside: bool| {
            let usable = ways.iter().filter(|way| !way.host.ip().is_loopback());
            usable.map(move |way| rule(way, from_outside.then_some(bridge))).collect()
        };
        let chains = vec![(nft::PREROUTING, rules(true)), (nft::OUTPUT, rules(false))];
        Table { name, lasts: Lasts::WithItsSocket, chains }.install(&socket)?;
        Ok(Self { _owner: socket })
    }
}

fn rule(way: &Way, not_from: Option<&str>) -> Rule {
    let mut rule = Rule::default();
    if let Some(bridge) = not_from {
        rule = rule.not_from_interface(bridge);
    }
    rule = match way.host.ip() {
        IpAddr::V4(address) if address.is_unspecified() => {
            rule.not_to(Subnet::new(Ipv4Addr::new(127, 0, 0, 0), 8)).sent_to_host()
        }
        IpAddr::V6(address) if address.is_unspecified() => {
            rule.not_to(Subnet::new(std::net::Ipv6Addr::LOCALHOST, 128)).sent_to_host()
        }
        address => rule.to(Subnet::new(address, if address.is_ipv4() { 32 } else { 128 })),
    };
    rule.at_port(way.protocol, way.host.port()).translate_to(way.container)
}

/// In a new container's namespace, which the caller has entered: redirects queries for port 53 of the name server to
/// the resolver's own port, so that a container may run a server of its own.
pub(super) fn redirect_questions(resolver: (SocketAddr, SocketAddr)) -> io::Result<()> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const PORT: u16 = 53;
    let (udp, tcp) = resolver;
    let to = |protocol, target: SocketAddr| {
        let rule = Rule::default().to(Subnet::new(target.ip(), 32)).at_port(protocol, PORT);
        rule.translate_to(target)
    };
    let chains = vec![(nft::OUTPUT, vec![to(UDP, udp), to(TCP, tcp)])];
    Table { name: "rb-resolver", lasts: Lasts::WithItsNamespace, chains }.install(&nft::open()?)
}
