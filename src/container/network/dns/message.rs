//! DNS messages (RFC 1035): parses queries and writes answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const AAAA: u16 = 28;
const INTERNET: u16 = 1;

const HEADER: usize = 12;
/// The datagram size that a client without EDNS accepts, and the size that is safe with it.
const PLAIN_SIZE: usize = 512;
const EXTENDED_SIZE: usize = 1232;

/// Seconds; a container may get another address when it is restarted.
const TIME_TO_LIVE: u32 = 60;

const SERVER_FAILURE: u8 = 2;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// In lower case, without the trailing dot.
    pub(super) name: String,
    pub(super) kind: u16,
    /// Where the question ends in its message.
    end: usize,
    extended: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Address(IpAddr),
    Name(String),
}

impl Question {
    /// Parses a query with one question of class IN; `None` for any other message.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        const RESPONSE_OR_OTHER_OPERATION: u16 = 0xf800;
        if number(2)? & RESPONSE_OR_OTHER_OPERATION != 0 || number(4)? != 1 {
            return None;
        }
        let (mut at, mut labels) = (HEADER, Vec::new());
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            match length {
                0 => break,
                // Questions have no compression.
                1..=63 => labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase()),
                _ => return None,
            }
            at += length;
        }
        let (kind, class) = (number(at)?, number(at + 2)?);
        let extended = number(10)? > 0;
        (class == INTERNET).then(|| Self { name: labels.join("."), kind, end: at + 4, extended })
    }

    /// The answer to the query that this was parsed from; over UDP it may have to be truncated.
    pub(super) fn answer(&self, query: &[u8], data: &[Data], over_udp: bool) -> Vec<u8> {
        let mut message = self.begin(query, 0, data.len() as u16);
        for one in data {
            // A pointer to the question's name.
            message.extend([0xc0, HEADER as u8]);
            let (kind, bytes) = match one {
                Data::Address(IpAddr::V4(address)) => (A, address.octets().to_vec()),
                Data::Address(IpAddr::V6(address)) => (AAAA, address.octets().to_vec()),
                Data::Name(name) => (PTR, encode_name(name)),
            };
            message.extend(kind.to_be_bytes());
            message.extend(INTERNET.to_be_bytes());
            message.extend(TIME_TO_LIVE.to_be_bytes());
            message.extend((bytes.len() as u16).to_be_bytes());
            message.extend(bytes);
        }
        let most = if self.extended { EXTENDED_SIZE } else { PLAIN_SIZE };
        if over_udp && message.len() > most {
            const TRUNCATED: u8 = 2;
            message = self.begin(query, 0, 0);
            message[2] |= TRUNCATED;
        }
        message
    }

    pub(super) fn failure(&self, query: &[u8]) -> Vec<u8> {
        self.begin(query, SERVER_FAILURE, 0)
    }

    fn begin(&self, query: &[u8], code: u8, answers: u16) -> Vec<u8> {
        const RESPONSE: u8 = 0x80;
        const RECURSION_DESIRED: u8 = 1;
        const RECURSION_AVAILABLE: u8 = 0x80;
        let mut message = query[..2].to_vec();
        message.extend([RESPONSE | (query[2] & RECURSION_DESIRED), RECURSION_AVAILABLE | code]);
        message.extend([0, 1]);
        message.extend(answers.to_be_bytes());
        message.extend([0; 4]);
        message.extend(&query[HEADER..self.end]);
        message
    }

    /// The address whose name is asked for.
    pub(super) fn reversed_address(&self) -> Option<IpAddr> {
        if let Some(octets) = self.name.strip_suffix(".in-addr.arpa") {
            let mut parts: Vec<u8> = octets.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            parts.reverse();
            let octets: [u8; 4] = parts.try_into().ok()?;
            return Some(Ipv4Addr::from(octets).into());
        }
        let nibbles = self.name.strip_suffix(".ip6.arpa")?;
        let digits: String = nibbles.split('.').rev().collect();
        if digits.len() != 32 {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(|bits| Ipv6Addr::from_bits(bits).into())
    }
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(label.len() as u8);
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

/// Whether another server's answer belongs to that query.
pub(super) fn belongs_to(answer: &[u8], query: &[u8]) -> bool {
    answer.len() >= HEADER && answer[..2] == query[..2] && answer[2] & 0x80 != 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(encode_name(name));
        message.extend(kind.to_be_bytes());
        message.extend(INTERNET.to_be_bytes());
        message
    }

    #[test]
    fn a_question_and_its_answer() {
        let message = query("Web.Net", A);
        let question = Question::parse(&message).unwrap();
        assert_eq!((question.name.as_str(), question.kind), ("web.net", A));
        let answer = question.answer(&message, &[Data::Address([10, 1, 2, 3].into())], true);
        assert_eq!(&answer[..8], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1]);
        assert_eq!(&answer[message.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
        assert!(belongs_to(&answer, &message) && !belongs_to(&message, &message));
        assert!(Question::parse(&answer).is_none());
    }

    #[test]
    fn too_much_for_a_datagram_is_cut() {
        let message = query("many", A);
        let question = Question::parse(&message).unwrap();
        let data = vec![Data::Address([10, 1, 2, 3].into()); 100];
        let cut = question.answer(&message, &data, true);
        assert!(cut.len() < 50 && cut[2] & 2 != 0);
        assert!(question.answer(&message, &data, false).len() > 1600);
    }

    #[test]
    fn reversed_addresses() {
        let reversed = |name: &str| Question::parse(&query(name, PTR)).unwrap().reversed_address();
        assert_eq!(reversed("4.3.2.10.in-addr.arpa"), Some([10, 2, 3, 4].into()));
        let long = format!("{}d.f.ip6.arpa", "1.0.".to_owned() + &"0.".repeat(28));
        assert_eq!(reversed(&long).unwrap().to_string(), "fd00::1");
        assert_eq!(reversed("in-addr.arpa"), None);
        assert_eq!(reversed("1.in-addr.arpa"), None);
    }

    #[test]
    fn damaged_messages_are_no_questions() {
        let message = query("a.b", A);
        for length in 0..message.len() {
            assert!(Question::parse(&message[..length]).is_none(), "{length}");
        }
    }
}
