//! Netlink messages (netlink(7)): written, sent and answered, one at a time.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

pub(super) const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
/// Create it; with `EXCLUSIVE`, fail if it exists.
pub(super) const CREATE: u16 = 0x400;
pub(super) const EXCLUSIVE: u16 = 0x200;
const DUMP: u16 = 0x300;

const KIND_ERROR: u16 = 2;
const KIND_DONE: u16 = 3;
const NESTED: u16 = 0x8000;
const HEADER: usize = 16;

/// The largest reply that the kernel sends at once.
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// A message: a header, the fixed part of its type, and attributes.
#[derive(Debug, Clone)]
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: flags | REQUEST, body: fixed.to_vec() }
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        push_attribute(&mut self.body, kind, value);
        self
    }

    /// A string with its terminating zero.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// A number in network byte order, as nftables uses them.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    pub(super) fn nested(self, kind: u16, attributes: Attributes) -> Self {
        self.attribute(kind | NESTED, &attributes.0)
    }

    fn encode(&self, sequence: u32, extra_flags: u16) -> Vec<u8> {
        let mut bytes = ((HEADER + self.body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((self.flags | extra_flags).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

/// Nested attributes.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// With bytes before the first attribute, as some types have them.
    pub(super) fn after(fixed: &[u8]) -> Self {
        Self(fixed.to_vec())
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        push_attribute(&mut self.0, kind, value);
        self
    }

    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// A number in network byte order, as nftables uses them.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    pub(super) fn nested(self, kind: u16, attributes: Self) -> Self {
        self.attribute(kind | NESTED, &attributes.0)
    }
}

fn push_attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A message of a reply, without its header.
pub(super) type Reply = Vec<u8>;

impl Socket {
    /// Opens a socket; without `protocol`, for NETLINK_ROUTE.
    pub(super) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        Ok(Self(socket))
    }

    /// Requests a change, and waits for the acknowledgement.
    pub(super) fn change(&self, message: &Message) -> io::Result<()> {
        self.send(&message.encode(1, ACKNOWLEDGE))?;
        self.answers(1).map(|_| ())
    }

    /// Requests one object.
    pub(super) fn get(&self, message: &Message) -> io::Result<Reply> {
        self.send(&message.encode(1, ACKNOWLEDGE))?;
        self.answers(1)?.into_iter().next().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Requests all objects of a type.
    pub(super) fn list(&self, message: &Message) -> io::Result<Vec<Reply>> {
        self.send(&message.encode(1, DUMP))?;
        self.answers(1)
    }

    /// Sends several messages as a transaction (nftables). The last of them is acknowledged.
    pub(super) fn change_together(&self, messages: &[Message], acknowledged: usize) -> io::Result<()> {
        let encode = |(index, message): (usize, &Message)| {
            message.encode(index as u32, if index == acknowledged { ACKNOWLEDGE } else { 0 })
        };
        self.send(&messages.iter().enumerate().flat_map(encode).collect::<Vec<u8>>())?;
        self.answers(acknowledged as u32).map(|_| ())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(&self.0, bytes, SendFlags::empty())?;
        Ok(())
    }

    /// All messages up to the acknowledgement of `last`, or the end of the list.
    fn answers(&self, last: u32) -> io::Result<Vec<Reply>> {
        let mut replies = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let (length, _) = recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some((header, kind, size)) = parse_header(rest) {
                let body = &rest[HEADER..size];
                match kind {
                    KIND_ERROR => {
                        let code = number(body, 0).unwrap_or(0) as i32;
                        if code != 0 {
                            return Err(io::Error::from_raw_os_error(-code));
                        }
                        if header == last {
                            return Ok(replies);
                        }
                    }
                    KIND_DONE => return Ok(replies),
                    _ => replies.push(body.to_vec()),
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

/// Sequence number, type and total length of the first message.
fn parse_header(bytes: &[u8]) -> Option<(u32, u16, usize)> {
    let size = number(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    let sequence = number(bytes, 8)?;
    (size >= HEADER && size <= bytes.len()).then_some((sequence, kind, size))
}

pub(super) fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// The value of an attribute in a reply whose fixed part has that length.
pub(super) fn find_attribute(reply: &[u8], fixed: usize, wanted: u16) -> Option<&[u8]> {
    let mut rest = reply.get(fixed..)?;
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let kind = u16::from_ne_bytes([rest[2], rest[3]]) & !NESTED;
        if kind == wanted {
            return rest.get(4..length);
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_framed_and_padded() {
        let bytes = Message::new(16, 0, &[1, 2, 3, 4]).text(3, "lo").encode(7, 0);
        assert_eq!(bytes.len(), 28);
        assert_eq!(parse_header(&bytes), Some((7, 16, 27 + 1)));
        assert_eq!(find_attribute(&bytes[16..], 4, 3), Some(b"lo\0".as_slice()));
        assert_eq!(find_attribute(&bytes[16..], 4, 4), None);
    }
}
