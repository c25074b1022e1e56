//! Messages on a stream, each with its length in front.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A longer message is none.
const MOST_BYTES: u32 = 1 << 20;

/// Writes a message.
pub fn send<T: Serialize>(mut stream: impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    stream.write_all(&[(body.len() as u32).to_le_bytes().as_slice(), &body].concat())
}

/// Waits for a message, and reads nothing behind it.
pub fn receive<T: DeserializeOwned>(mut stream: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_to_its_end_and_a_long_one_not_at_all() {
        let mut stream = Vec::new();
        send(&mut stream, &("a", 1)).unwrap();
        send(&mut stream, &["b"]).unwrap();
        let mut rest = stream.as_slice();
        assert_eq!(receive::<(String, u8)>(&mut rest).unwrap(), ("a".to_owned(), 1));
        assert_eq!(receive::<Vec<String>>(&mut rest).unwrap(), ["b"]);
        assert_eq!(receive::<String>(&mut rest).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let long = (MOST_BYTES + 1).to_le_bytes();
        assert_eq!(receive::<String>(long.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
