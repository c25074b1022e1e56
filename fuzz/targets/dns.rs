//! A message to the containers' name server. An answer has the question's ID, fits into its datagram, and is not itself
//! a question.

use rbuild::container::network::examine_dns_message;

pub const PIECES: super::Pieces = &[
    b"\x03www",
    b"\x00",
    b"\xc0\x0c",
    b"\x07in-addr\x04arpa\x00",
    b"\x03ip6\x04arpa\x00",
    b"\x00\x01\x00\x01",
    b"\x00\x0c\x00\x01",
    b"\x3f",
];

/// The size limit of a datagram (RFC 6891; the flag day of 2020).
const DATAGRAM: usize = 1232;

pub fn run(message: &[u8]) -> String {
    let Some((name, answers)) = examine_dns_message(message) else { return String::new() };
    for answer in &answers {
        assert_eq!(answer[..2], message[..2], "it is that question's answer");
        assert!(examine_dns_message(answer).is_none(), "no question comes back");
    }
    assert!(answers[0].len() <= DATAGRAM.max(message.len()), "it fits into a datagram");
    format!("{} {}", name.matches('.').count(), answers[0].len() / 64)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let query = |name: &str, kind: u8, more: u8| {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, more];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind, 0, 1]);
        if more > 0 {
            message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        message
    };
    let reversed = format!("{}ip6.arpa", "1.".repeat(32));
    vec![
        query("web", 1, 0),
        query("a.b.example.org", 28, 1),
        query("4.3.2.10.in-addr.arpa", 12, 1),
        query(&reversed, 12, 0),
        query("", 1, 0),
    ]
}
