//! Network address translation for the bridge, by one rule of nftables, sent as netlink messages
//! (linux/netfilter/nf_tables.h): what comes from the bridge's subnet and leaves elsewhere is masqueraded.

use std::io;

use rustix::net::netlink;

use super::link::Subnet;
use super::netlink::{Attributes, CREATE, Message, Socket};

const TABLE: &str = "rbuild";
const CHAIN: &str = "postrouting";

const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM + 2;
const NEW_CHAIN: u16 = SUBSYSTEM + 3;
const NEW_RULE: u16 = SUBSYSTEM + 6;
const GET_RULE: u16 = SUBSYSTEM + 7;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const APPEND: u16 = 0x800;

/// `struct nfgenmsg`, for IPv4.
const FIXED: [u8; 4] = [2, 0, 0, 0];
/// The same for a batch; it names the subsystem.
const BATCH_FIXED: [u8; 4] = [0, 0, 0, 10];

const INTERFACE_NAME_BYTES: usize = 16;

/// Puts the rule in place, unless it is there.
pub(super) fn ensure(bridge: &str, subnet: Subnet) -> io::Result<()> {
    let socket = Socket::open(Some(netlink::NETFILTER))?;
    if has_rule(&socket) {
        return Ok(());
    }
    let named_table = |kind, flags| Message::new(kind, flags, &FIXED).text(1, TABLE);
    let hook = Attributes::default().number(1, 4 /* postrouting */).number(2, 100 /* source NAT */);
    let chain = Message::new(NEW_CHAIN, CREATE, &FIXED).text(1, TABLE).text(3, CHAIN).nested(4, hook).text(7, "nat");
    let rule = Message::new(NEW_RULE, CREATE | APPEND, &FIXED).text(1, TABLE).text(2, CHAIN);
    let messages = [
        Message::new(BATCH_BEGIN, 0, &BATCH_FIXED),
        // Made, removed and made again: whatever was in it is gone, and nobody sees it missing.
        named_table(NEW_TABLE, CREATE),
        named_table(DELETE_TABLE, 0),
        named_table(NEW_TABLE, CREATE),
        chain,
        rule.nested(4, masquerade(bridge, subnet)),
        Message::new(BATCH_END, 0, &BATCH_FIXED),
    ];
    socket.change_together(&messages, messages.len() - 2)
}

fn has_rule(socket: &Socket) -> bool {
    let message = Message::new(GET_RULE, 0, &FIXED).text(1, TABLE).text(2, CHAIN);
    socket.list(&message).is_ok_and(|rules| !rules.is_empty())
}

/// `ip saddr SUBNET oifname != BRIDGE masquerade`.
fn masquerade(bridge: &str, subnet: Subnet) -> Attributes {
    const REGISTER: u32 = 1;
    const NETWORK_HEADER: u32 = 1;
    const SOURCE_OFFSET: u32 = 12;
    const KEY_OUT_INTERFACE_NAME: u32 = 7;
    const EQUAL: u32 = 0;
    const NOT_EQUAL: u32 = 1;
    let mask = u32::MAX << (32 - u32::from(subnet.length));
    let value = |bytes: &[u8]| Attributes::default().attribute(1, bytes);
    let source =
        Attributes::default().number(1, REGISTER).number(2, NETWORK_HEADER).number(3, SOURCE_OFFSET).number(4, 4);
    let masked = Attributes::default()
        .number(1, REGISTER)
        .number(2, REGISTER)
        .number(3, 4)
        .nested(4, value(&mask.to_be_bytes()))
        .nested(5, value(&[0; 4]));
    let compare = |operator: u32, bytes: &[u8]| {
        Attributes::default().number(1, REGISTER).number(2, operator).nested(3, value(bytes))
    };
    let interface = Attributes::default().number(2, KEY_OUT_INTERFACE_NAME).number(1, REGISTER);
    let mut name = bridge.as_bytes().to_vec();
    name.resize(INTERFACE_NAME_BYTES, 0);
    let network = (subnet.address.to_bits() & mask).to_be_bytes();
    [
        ("payload", source),
        ("bitwise", masked),
        ("cmp", compare(EQUAL, &network)),
        ("meta", interface),
        ("cmp", compare(NOT_EQUAL, &name)),
        ("masq", Attributes::default()),
    ]
    .into_iter()
    .fold(Attributes::default(), |list, (name, data)| {
        list.nested(1, Attributes::default().text(1, name).nested(2, data))
    })
}
