//! Hashes, passwords, UUIDs and decryption.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::private_key::PrivateKey;
use super::{Failure, Function, Outcome, Parameter, Wanted, function, parameter, text, text_of, variadic, whole};
use crate::base::hex;
use crate::language::bake::value::Value;

const STR: Parameter = parameter("str", Wanted::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("bcrypt", &[STR], parameter("cost", Wanted::Number), bcrypt),
    function("md5", &[STR], |all| text(hash::<md5::Md5>(text_of(all, 0)))),
    function("rsadecrypt", &[parameter("ciphertext", Wanted::Text), parameter("privatekey", Wanted::Text)], decrypt),
    function("sha1", &[STR], |all| text(hash::<Sha1>(text_of(all, 0)))),
    function("sha256", &[STR], |all| text(hash::<Sha256>(text_of(all, 0)))),
    function("sha512", &[STR], |all| text(hash::<Sha512>(text_of(all, 0)))),
    function("uuidv4", &[], |_| random_uuid()),
    function("uuidv5", &[parameter("namespace", Wanted::Text), parameter("name", Wanted::Text)], named_uuid),
];

fn hash<D: Digest>(data: &str) -> String {
    hex::encode(&D::digest(data.as_bytes()))
}

/// Each step doubles the time: this one takes seconds.
const MAX_COST: i64 = 16;

fn bcrypt(all: &[Value]) -> Outcome {
    let failed = |what: &str| Failure::new(format!("error occured generating password: {what}"));
    let cost = match all.len() {
        1 => 10,
        2 => whole(all, 1)?,
        _ => return Err(Failure::new("bcrypt() takes no more than two arguments")),
    };
    if cost > MAX_COST {
        return Err(failed(&format!("cost {cost} is above {MAX_COST}, which would take minutes")));
    }
    let cost = u32::try_from(cost).ok().filter(|cost| *cost >= 4).unwrap_or(10);
    let password = text_of(all, 0);
    if password.len() > 72 {
        return Err(failed("password length exceeds 72 bytes"));
    }
    let hashed = bcrypt::hash_with_result(password, cost).map_err(|error| failed(&error.to_string()))?;
    text(hashed.format_for_version(bcrypt::Version::TwoA))
}

fn decrypt(all: &[Value]) -> Outcome {
    let encoded = text_of(all, 0);
    let secret = STANDARD
        .decode(encoded.replace(['\n', '\r'], ""))
        .map_err(|_| Failure::new(format!("failed to decode input {encoded:?}: cipher text must be base64-encoded")))?;
    let key = PrivateKey::from_pem(text_of(all, 1)).map_err(Failure::new)?;
    let plain = key.decrypt(&secret).ok_or_else(|| Failure::new("decryption error"))?;
    text(String::from_utf8_lossy(&plain).into_owned())
}

fn uuid(mut bytes: [u8; 16], version: u8) -> Outcome {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let parts = [&bytes[..4], &bytes[4..6], &bytes[6..8], &bytes[8..10], &bytes[10..]];
    text(parts.map(hex::encode).join("-"))
}

fn random_uuid() -> Outcome {
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    uuid(bytes, 4)
}

fn named_uuid(all: &[Value]) -> Outcome {
    // RFC 9562, appendix C.
    let known = |last: u8| {
        let mut bytes = [0x6b, 0xa7, 0xb8, 0, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
        bytes[3] = last;
        bytes
    };
    let namespace = match text_of(all, 0) {
        "dns" => known(0x10),
        "url" => known(0x11),
        "oid" => known(0x12),
        "x500" => known(0x14),
        other => parse_uuid(other)
            .ok_or_else(|| Failure::new(format!("uuidv5() doesn't support namespace {other} (invalid UUID)")))?,
    };
    let digest = Sha1::new().chain_update(namespace).chain_update(text_of(all, 1)).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid(bytes, 5)
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let text = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
