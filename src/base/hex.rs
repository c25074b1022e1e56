//! Hexadecimal digits in lower case, and IDs made of them.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// Two digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// 64 random digits, unique for all practical purposes.
///
/// # Errors
/// The kernel gives no random numbers.
pub fn random_id() -> io::Result<String> {
    let mut random = [0u8; 32];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(encode(&random))
}
