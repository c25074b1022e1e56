//! Tables, chains and rules of nftables as netlink messages (linux/netfilter/nf_tables.h).

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink;

use super::netlink::{Attributes, CREATE, Message, Reply, Socket, find_attribute};
use super::subnet::{Subnet, octets};

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM + 1;
const DELETE_TABLE: u16 = SUBSYSTEM + 2;
const NEW_CHAIN: u16 = SUBSYSTEM + 3;
const GET_CHAIN: u16 = SUBSYSTEM + 4;
const NEW_RULE: u16 = SUBSYSTEM + 6;
const GET_RULE: u16 = SUBSYSTEM + 7;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const APPEND: u16 = 0x800;

/// `struct nfgenmsg` of a batch; it names the subsystem.
const BATCH_FIXED: [u8; 4] = [0, 0, 0, 10];
const GENERIC_BYTES: usize = 4;

/// The kernel removes the table when the socket that created it is closed.
const TABLE_OWNED: u32 = 2;

const INTERFACE_NAME_BYTES: usize = 16;
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

pub(super) const INET: u8 = 1;
pub(super) const IPV4: u8 = 2;
pub(super) const IPV6: u8 = 10;

#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    pub(super) name: &'static str,
    /// `nat` or `filter`.
    pub(super) kind: &'static str,
    pub(super) number: u32,
    pub(super) priority: i32,
}

pub(super) const PREROUTING: Hook = Hook { name: "prerouting", kind: "nat", number: 0, priority: -100 };
pub(super) const OUTPUT: Hook = Hook { name: "output", kind: "nat", number: 3, priority: -100 };
pub(super) const POSTROUTING: Hook = Hook { name: "postrouting", kind: "nat", number: 4, priority: 100 };
pub(super) const FORWARD: Hook = Hook { name: "forward", kind: "filter", number: 2, priority: 0 };

/// The lifetime of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until it is removed; it replaces any table of the same name.
    UntilRemoved,
    /// Until the socket that created it is closed. Closing it waits for all CPUs (RCU), several milliseconds.
    WithItsSocket,
    /// As long as its network namespace, which is new and has no table of that name.
    WithItsNamespace,
}

/// A table with its chains and rules, created in one transaction.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) name: &'a str,
    pub(super) lasts: Lasts,
    pub(super) chains: Vec<(Hook, Vec<Rule>)>,
}

impl Table<'_> {
    pub(super) fn install(&self, socket: &Socket) -> io::Result<()> {
        let named = |kind, flags| Message::new(kind, flags, &[INET, 0, 0, 0]).text(1, self.name);
        let new = || {
            let message = named(NEW_TABLE, CREATE);
            if self.lasts == Lasts::WithItsSocket { message.number(2, TABLE_OWNED) } else { message }
        };
        let mut messages = vec![Message::new(BATCH_BEGIN, 0, &BATCH_FIXED)];
        if self.lasts == Lasts::UntilRemoved {
            // Created, removed and created again in one transaction: this replaces an existing table atomically.
            messages.extend([new(), named(DELETE_TABLE, 0)]);
        }
        messages.push(new());
        for (hook, rules) in &self.chains {
            let place = Attributes::default().number(1, hook.number).number(2, hook.priority.cast_unsigned());
            let chain = Message::new(NEW_CHAIN, CREATE, &[INET, 0, 0, 0]).text(1, self.name).text(3, hook.name);
            messages.push(chain.nested(4, place).text(7, hook.kind));
            messages.extend(rules.iter().map(|rule| {
                let message = Message::new(NEW_RULE, CREATE | APPEND, &[INET, 0, 0, 0]);
                message.text(1, self.name).text(2, hook.name).nested(4, rule.0.clone())
            }));
        }
        messages.push(Message::new(BATCH_END, 0, &BATCH_FIXED));
        socket.change_together(&messages, messages.len() - 2)
    }
}

pub(super) fn open() -> io::Result<Socket> {
    Socket::open(Some(netlink::NETFILTER))
}

pub(super) fn has_table(socket: &Socket, name: &str) -> bool {
    socket.get(&Message::new(GET_TABLE, 0, &[INET, 0, 0, 0]).text(1, name)).is_ok()
}

/// Removes a table, if it exists.
pub(super) fn remove_table(socket: &Socket, name: &str) -> io::Result<()> {
    let messages = [
        Message::new(BATCH_BEGIN, 0, &BATCH_FIXED),
        Message::new(NEW_TABLE, CREATE, &[INET, 0, 0, 0]).text(1, name),
        Message::new(DELETE_TABLE, 0, &[INET, 0, 0, 0]).text(1, name),
        Message::new(BATCH_END, 0, &BATCH_FIXED),
    ];
    socket.change_together(&messages, 2)
}

/// Whether another program's chain drops packets that match no rule; `None` if there is no such chain.
pub(super) fn drops_by_default(socket: &Socket, family: u8, table: &str, chain: &str) -> Option<bool> {
    const POLICY: u16 = 5;
    let message = Message::new(GET_CHAIN, 0, &[family, 0, 0, 0]).text(1, table).text(3, chain);
    let reply: Reply = socket.get(&message).ok()?;
    let policy = find_attribute(&reply, GENERIC_BYTES, POLICY);
    Some(policy.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)))
}

/// Whether a rule of the chain has that comment.
pub(super) fn has_comment(socket: &Socket, family: u8, place: (&str, &str), comment: &str) -> bool {
    const USER_DATA: u16 = 7;
    let message = Message::new(GET_RULE, 0, &[family, 0, 0, 0]).text(1, place.0).text(2, place.1);
    let Ok(rules) = socket.list(&message) else { return false };
    rules.iter().any(|rule| find_attribute(rule, GENERIC_BYTES, USER_DATA) == Some(&comment_bytes(comment)))
}

/// Inserts rules at the start of a chain that another program created.
pub(super) fn prepend(
    socket: &Socket,
    family: u8,
    place: (&str, &str),
    rules: &[Rule],
    comment: &str,
) -> io::Result<()> {
    let mut messages = vec![Message::new(BATCH_BEGIN, 0, &BATCH_FIXED)];
    messages.extend(rules.iter().map(|rule| {
        let message = Message::new(NEW_RULE, CREATE, &[family, 0, 0, 0]).text(1, place.0).text(2, place.1);
        message.nested(4, rule.0.clone()).attribute(7, &comment_bytes(comment))
    }));
    messages.push(Message::new(BATCH_END, 0, &BATCH_FIXED));
    socket.change_together(&messages, messages.len() - 2)
}

/// Type, length, text and a zero, as nft(8) writes comments.
fn comment_bytes(comment: &str) -> Vec<u8> {
    [&[0, comment.len() as u8 + 1], comment.as_bytes(), &[0]].concat()
}

/// The conditions for a packet, and its verdict.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule(Attributes);

#[allow(clippy::wrong_self_convention, reason = "packets come from and go to somewhere: each adds a condition")]
impl Rule {
    fn expression(self, name: &str, data: Attributes) -> Self {
        Self(self.0.nested(1, Attributes::default().text(1, name).nested(2, data)))
    }

    fn compare(self, operator: u32, bytes: &[u8]) -> Self {
        let value = Attributes::default().attribute(1, bytes);
        self.expression("cmp", Attributes::default().number(1, REGISTER).number(2, operator).nested(3, value))
    }

    fn meta(self, key: u32) -> Self {
        self.expression("meta", Attributes::default().number(2, key).number(1, REGISTER))
    }

    fn payload(self, base: u32, offset: u32, length: u32) -> Self {
        let data = Attributes::default().number(1, REGISTER).number(2, base).number(3, offset).number(4, length);
        self.expression("payload", data)
    }

    /// `REGISTER & mask`, with the length of `mask`.
    fn mask(self, mask: &[u8]) -> Self {
        let value = |bytes: &[u8]| Attributes::default().attribute(1, bytes);
        let data = Attributes::default().number(1, REGISTER).number(2, REGISTER).number(3, mask.len() as u32);
        self.expression("bitwise", data.nested(4, value(mask)).nested(5, value(&vec![0; mask.len()])))
    }

    pub(super) fn coming_from(self, name: &str) -> Self {
        self.meta(6).compare(EQUAL, &interface(name))
    }

    pub(super) fn not_from_interface(self, name: &str) -> Self {
        self.meta(6).compare(NOT_EQUAL, &interface(name))
    }

    pub(super) fn going_to(self, name: &str) -> Self {
        self.meta(7).compare(EQUAL, &interface(name))
    }

    pub(super) fn not_to_interface(self, name: &str) -> Self {
        self.meta(7).compare(NOT_EQUAL, &interface(name))
    }

    /// From interfaces with that prefix.
    pub(super) fn coming_from_any(self, prefix: &str) -> Self {
        self.meta(6).compare(EQUAL, prefix.as_bytes())
    }

    pub(super) fn going_to_any(self, prefix: &str) -> Self {
        self.meta(7).compare(EQUAL, prefix.as_bytes())
    }

    fn family_of(self, address: IpAddr) -> Self {
        self.meta(15).compare(EQUAL, &[if address.is_ipv4() { IPV4 } else { IPV6 }])
    }

    pub(super) fn from(self, subnet: Subnet) -> Self {
        let offset = if subnet.is_ipv4() { 12 } else { 8 };
        self.family_of(subnet.address).address_in(offset, subnet, EQUAL)
    }

    pub(super) fn to(self, subnet: Subnet) -> Self {
        let offset = if subnet.is_ipv4() { 16 } else { 24 };
        self.family_of(subnet.address).address_in(offset, subnet, EQUAL)
    }

    pub(super) fn not_to(self, subnet: Subnet) -> Self {
        let offset = if subnet.is_ipv4() { 16 } else { 24 };
        self.family_of(subnet.address).address_in(offset, subnet, NOT_EQUAL)
    }

    fn address_in(self, offset: u32, subnet: Subnet, operator: u32) -> Self {
        let wanted = octets(subnet.network().address);
        let length = wanted.len();
        let mask: Vec<u8> = (0..length)
            .map(|index| {
                let bits = usize::from(subnet.length).saturating_sub(index * 8).min(8);
                if bits == 0 { 0 } else { 0xffu8 << (8 - bits) }
            })
            .collect();
        self.payload(NETWORK_HEADER, offset, length as u32).mask(&mask).compare(operator, &wanted)
    }

    /// To an address of this machine.
    pub(super) fn sent_to_host(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        const LOCAL: u32 = 2;
        let data = Attributes::default().number(1, REGISTER).number(2, ADDRESS_TYPE).number(3, OF_DESTINATION);
        self.expression("fib", data).compare(EQUAL, &LOCAL.to_ne_bytes())
    }

    pub(super) fn at_port(self, protocol: u8, port: u16) -> Self {
        self.meta(16).compare(EQUAL, &[protocol]).payload(TRANSPORT_HEADER, 2, 2).compare(EQUAL, &port.to_be_bytes())
    }

    /// Replies to connections that were accepted.
    pub(super) fn established(self) -> Self {
        const STATE: u32 = 0;
        const ESTABLISHED_OR_RELATED: u32 = 6;
        self.connection(STATE, ESTABLISHED_OR_RELATED)
    }

    /// Packets that were translated by DNAT, for a published port.
    pub(super) fn translated(self) -> Self {
        const STATUS: u32 = 2;
        const DESTINATION_TRANSLATED: u32 = 32;
        self.connection(STATUS, DESTINATION_TRANSLATED)
    }

    fn connection(self, key: u32, bits: u32) -> Self {
        let loaded = self.expression("ct", Attributes::default().number(2, key).number(1, REGISTER));
        loaded.mask(&bits.to_ne_bytes()).compare(NOT_EQUAL, &[0; 4])
    }

    pub(super) fn accept(self) -> Self {
        self.verdict(1)
    }

    pub(super) fn drop(self) -> Self {
        self.verdict(0)
    }

    fn verdict(self, code: u32) -> Self {
        let verdict = Attributes::default().nested(2, Attributes::default().number(1, code));
        self.expression("immediate", Attributes::default().number(1, 0).nested(2, verdict))
    }

    pub(super) fn count(self) -> Self {
        self.expression("counter", Attributes::default())
    }

    pub(super) fn masquerade(self) -> Self {
        self.expression("masq", Attributes::default())
    }

    /// Rewrites the packet's destination.
    pub(super) fn translate_to(self, target: SocketAddr) -> Self {
        const DESTINATION: u32 = 1;
        let family = if target.is_ipv4() { IPV4 } else { IPV6 };
        let load = |rule: Self, register: u32, bytes: &[u8]| {
            let value = Attributes::default().attribute(1, bytes);
            rule.expression("immediate", Attributes::default().number(1, register).nested(2, value))
        };
        let rule = load(self, REGISTER, &octets(target.ip()));
        let rule = load(rule, SECOND_REGISTER, &target.port().to_be_bytes());
        let data = Attributes::default().number(1, DESTINATION).number(2, family.into());
        rule.expression("nat", data.number(3, REGISTER).number(5, SECOND_REGISTER))
    }
}

fn interface(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(INTERFACE_NAME_BYTES, 0);
    bytes
}
