//! WebSockets (RFC 6455), as far as `attach/ws` needs them: both sides' bytes in frames.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use super::error::ApiError;
use super::hijack::Hijacked;
use super::request::Request;
use super::response::{Content, Response};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BUFFER: usize = 32 << 10;
/// The size limit of a client's frame.
const MOST_BYTES: u64 = 1 << 20;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A client that requested a WebSocket.
pub struct Accepted {
    key: String,
    protocol: Option<String>,
}

pub fn accept(request: &Request) -> Result<Accepted, ApiError> {
    let key = request.header("sec-websocket-key").filter(|_| request.upgrade().as_deref() == Some("websocket"));
    let key = key.ok_or_else(|| ApiError::bad_request("not websocket protocol"))?;
    let protocol = request.header("sec-websocket-protocol").and_then(|all| all.split(',').next());
    Ok(Accepted { key: key.to_owned(), protocol: protocol.map(|name| name.trim().to_owned()) })
}

impl Accepted {
    /// `take` gets a stream of plain bytes.
    pub fn response(self, take: impl FnOnce(Hijacked) + Send + 'static) -> Response {
        let answer = base64::engine::general_purpose::STANDARD.encode(Sha1::digest(format!("{}{GUID}", self.key)));
        let mut headers = vec![
            ("Upgrade", "websocket".to_owned()),
            ("Connection", "Upgrade".to_owned()),
            ("Sec-WebSocket-Accept", answer),
        ];
        headers.extend(self.protocol.map(|name| ("Sec-WebSocket-Protocol", name)));
        let take = Box::new(move |hijacked| {
            // It fails only without free file descriptors; then the connection ends.
            let _ = between(hijacked, take);
        });
        Response { status: 101, headers: Vec::new(), content: Content::Hijack { headers, take } }
    }
}

/// Gives `take` a stream of plain bytes, and exchanges frames with the client on its other side.
fn between(hijacked: Hijacked, take: impl FnOnce(Hijacked) + Send + 'static) -> io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let (mut reader, writer) = hijacked.split()?;
    let (mut to_program, mut answers) = (ours.try_clone()?, writer.try_clone()?);
    std::thread::spawn(move || take(Hijacked { stream: theirs, early: Vec::new() }));
    std::thread::spawn(move || {
        while let Ok(Some((kind, bytes))) = read_frame(&mut reader) {
            let done = match kind {
                TEXT | BINARY | 0 => to_program.write_all(&bytes),
                PING => write_frame(&mut answers, PONG, &bytes),
                CLOSE => break,
                _ => Ok(()),
            };
            if done.is_err() {
                break;
            }
        }
        // It fails only if the other side is gone.
        let _ = to_program.shutdown(Shutdown::Both);
    });
    let (mut from_program, mut writer) = (ours, writer);
    let mut buffer = vec![0; BUFFER];
    loop {
        match from_program.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => write_frame(&mut writer, BINARY, &buffer[..length])?,
        }
    }
    write_frame(&mut writer, CLOSE, &1000u16.to_be_bytes())?;
    writer.shutdown(Shutdown::Both)
}

/// `None` at the end.
fn read_frame(reader: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 2];
    match reader.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = match head[1] & 0x7f {
        126 => {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes)?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes)
        }
        length => length.into(),
    };
    // A client must mask its frames (section 5.1).
    if length > MOST_BYTES || head[1] & 0x80 == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    reader.read_exact(&mut mask)?;
    let mut bytes = vec![0; length as usize];
    reader.read_exact(&mut bytes)?;
    bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(Some((head[0] & 0x0f, bytes)))
}

fn write_frame(writer: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | kind];
    match bytes.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(bytes);
    writer.write_all(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let mut out = Vec::new();
        write_frame(&mut out, BINARY, b"ab").unwrap();
        assert_eq!(out, [0x82, 2, b'a', b'b']);
        out.clear();
        write_frame(&mut out, BINARY, &[0; 200]).unwrap();
        assert_eq!(out[..4], [0x82, 126, 0, 200]);
        let masked = [0x81, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2];
        assert_eq!(read_frame(&mut masked.as_slice()).unwrap(), Some((TEXT, b"ab".to_vec())));
        assert!(read_frame(&mut [0x81, 2, b'a', b'b'].as_slice()).is_err(), "what is not masked is refused");
        assert_eq!(read_frame(&mut [].as_slice()).unwrap(), None);
    }
}
