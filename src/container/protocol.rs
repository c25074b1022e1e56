//! The protocol between a container's monitor and its clients: frames on a Unix socket.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ContainerError;
use crate::container::network::NetworkError;
use crate::container::sandbox::user_namespace::IdMapping;

/// Kind and length.
pub(super) const HEADER: usize = 5;
/// The size limit of a frame.
const MOST_BYTES: usize = 16 << 20;

/// The content of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Request = 1,
    /// For the program's stdin.
    Input = 2,
    InputEnd = 3,
    /// From the program.
    Output = 4,
    Errors = 5,
    Reply = 6,
}

/// What a monitor prepares before it is told which container it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ahead {
    /// A network namespace: the kernel needs as long to create one as everything else that `run` does before the
    /// container exists takes; starting pasta takes even longer.
    Network,
    Nothing,
}

/// A client's request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first message to a forked monitor: which container it is for.
    Go {
        containers: PathBuf,
        id: String,
        attach: Attach,
    },
    /// Streams the output from now on, then sends [`Reply::Ended`].
    Attach(Attach),
    Resize {
        rows: u16,
        columns: u16,
    },
    /// Only to the program's own process.
    Signal {
        number: i32,
    },
    /// Asks the program to end, and kills it if it does not; `Done` when it has ended.
    Stop {
        signal: Option<i32>,
        /// Seconds until it is killed; never, if negative.
        timeout: Option<i64>,
        /// It will be started again: `--rm` is ignored.
        keep: bool,
        /// It is removed afterwards: no stop event is reported.
        is_removal: bool,
    },
    /// [`Reply::Ended`] once the container has ended for good.
    Wait,
    /// The same when the program ends, whether or not it is restarted.
    WaitForExit,
    Pause,
    Unpause,
    /// The record was changed: apply its limits, restart policy and networks.
    Reload,
    /// The reader of that output is gone.
    OutputClosed,
    /// Pauses the programs until this client disconnects.
    Hold,
    /// The first message to an executed monitor: what to prepare before it is told of a container, in a user namespace
    /// that its parent has entered.
    Begin {
        store_root: PathBuf,
        ahead: Ahead,
        mapping: Option<IdMapping>,
    },
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Attach {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// Rows and columns of the client's terminal.
    pub size: Option<(u16, u16)>,
}

impl Attach {
    /// Whether any stream is attached.
    pub(super) fn is_any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The program runs. The user may have to be warned.
    Started {
        warning: Option<String>,
    },
    Done,
    Failed(Failure),
    Ended(Ending),
}

/// How a program ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ending {
    pub exit_code: u8,
    pub out_of_memory: bool,
    /// Why it could not be restarted.
    pub error: Option<String>,
}

/// An error from another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    pub exit_code: u8,
    /// The container's state does not allow the request.
    #[serde(default)]
    pub is_conflict: bool,
    /// A network that it is to be in is not there.
    #[serde(default)]
    pub is_no_network: bool,
}

impl Failure {
    pub(super) fn of(error: &ContainerError) -> Self {
        let (hint, exit_code, is_conflict) = (error.hint(), error.exit_code(), error.is_conflict());
        let is_no_network = matches!(error, ContainerError::Network(NetworkError::Unknown { .. }));
        Self { message: chain(error), hint, exit_code, is_conflict, is_no_network }
    }
}

/// The error and its causes, separated by colons.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Request, Self::Input, Self::InputEnd, Self::Output, Self::Errors, Self::Reply]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

pub(super) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Kinds and bodies of frames.
type Frames = Vec<(Kind, Vec<u8>)>;

/// Takes the complete frames from the start of the received bytes. `Err` has those before something invalid.
pub(super) fn take_frames(incoming: &mut Vec<u8>) -> Result<Frames, Frames> {
    let (mut frames, mut at) = (Vec::new(), 0);
    let mut is_whole = true;
    while incoming.len() >= at + HEADER {
        let Ok((kind, length)) = parse_header(&incoming[at..]) else {
            is_whole = false;
            break;
        };
        let body = at + HEADER..at + HEADER + length;
        if incoming.len() < body.end {
            break;
        }
        at = body.end;
        frames.push((kind, incoming[body].to_vec()));
    }
    incoming.drain(..at);
    if is_whole { Ok(frames) } else { Err(frames) }
}

/// For tests with arbitrary bytes: what a monitor and a client read from them. The monitor takes bytes as they come,
/// the client reads frame by frame, and each frame is decoded as on either side.
#[doc(hidden)]
pub fn examine_frames(bytes: &[u8]) -> String {
    let mut incoming = bytes.to_vec();
    let taken = take_frames(&mut incoming).unwrap_or_else(|frames| frames);
    let (mut stream, mut body, mut received) = (bytes, Vec::new(), 0);
    let mut said = String::new();
    while let Ok(Some(kind)) = receive(&mut stream, &mut body) {
        assert_eq!(taken.get(received), Some(&(kind, body.clone())), "both sides see the same frames");
        received += 1;
        let request = decode::<Request>(&body).map(|request| encode(kind, &request).map(drop));
        let reply = decode::<Reply>(&body).map(|reply| encode(kind, &reply).map(drop));
        said.push_str(&format!("{kind:?} {} {};", request.is_ok(), reply.is_ok()));
    }
    assert_eq!(received, taken.len(), "both sides see the same frames");
    said
}

/// Kind and length, from a frame's header.
pub(super) fn parse_header(bytes: &[u8]) -> io::Result<(Kind, usize)> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let [kind, length @ ..] = bytes.first_chunk::<HEADER>().ok_or_else(wrong)?;
    let length = u32::from_le_bytes(*length) as usize;
    let kind = Kind::of(*kind).filter(|_| length <= MOST_BYTES).ok_or_else(wrong)?;
    Ok((kind, length))
}

pub(super) fn encode<T: Serialize>(kind: Kind, value: &T) -> io::Result<Vec<u8>> {
    let body = postcard::to_stdvec(value).map_err(io::Error::other)?;
    Ok([header(kind, body.len()).as_slice(), &body].concat())
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    postcard::from_bytes(body).map_err(io::Error::other)
}

pub(super) fn send<T: Serialize>(mut stream: impl Write, kind: Kind, value: &T) -> io::Result<()> {
    stream.write_all(&encode(kind, value)?)
}

/// The next frame; `None` at the end of the stream.
pub(super) fn receive(mut stream: impl Read, body: &mut Vec<u8>) -> io::Result<Option<Kind>> {
    let mut bytes = [0; HEADER];
    match stream.read_exact(&mut bytes) {
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            return Ok(None);
        }
        read => read?,
    }
    let (kind, length) = parse_header(&bytes)?;
    body.resize(length, 0);
    stream.read_exact(body)?;
    Ok(Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_as_they_went() {
        let mut wire = Vec::new();
        send(&mut wire, Kind::Request, &Request::Resize { rows: 2, columns: 3 }).unwrap();
        wire.extend(header(Kind::InputEnd, 0));
        let mut stream = wire.as_slice();
        let mut body = Vec::new();
        assert_eq!(receive(&mut stream, &mut body).unwrap(), Some(Kind::Request));
        assert!(matches!(decode(&body).unwrap(), Request::Resize { rows: 2, columns: 3 }));
        assert_eq!(receive(&mut stream, &mut body).unwrap(), Some(Kind::InputEnd));
        assert_eq!(receive(&mut stream, &mut body).unwrap(), None);
        assert!(parse_header(&[9, 0, 0, 0, 0]).is_err() && parse_header(&[1, 0, 0, 0, 255]).is_err());
    }
}
