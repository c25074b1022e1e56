//! A client of docker's API on a Unix socket, written by hand: what a library takes for granted is tested.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// The head of an answer, and the open connection.
pub struct Open {
    pub status: u16,
    pub reason: String,
    headers: Vec<(String, String)>,
    pub reader: BufReader<UnixStream>,
}

/// A complete answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Sends a request, and reads the head of the answer. Never waits forever.
pub fn open(socket: &Path, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Open {
    let mut stream = UnixStream::connect(socket).expect("the service listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has timeouts");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).expect("the service reads");
    Open::read(BufReader::new(stream))
}

/// Requests a complete answer.
pub fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let headers = [("Content-Type", "application/json"), ("Connection", "close")];
    open(socket, method, path, &headers, &bytes).whole(method == "HEAD")
}

impl Open {
    pub fn read(mut reader: BufReader<UnixStream>) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        let mut words = line.trim_end().splitn(3, ' ').skip(1);
        let status = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no answer: {line:?}"));
        let reason = words.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a head");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        Self { status, reason, headers, reader }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        of(&self.headers, name)
    }

    /// The next chunk; empty at the end.
    pub fn chunk(&mut self) -> Vec<u8> {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a chunk");
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap_or_else(|_| panic!("no chunk: {line:?}"));
        let mut bytes = vec![0; length + 2];
        self.reader.read_exact(&mut bytes).expect("a whole chunk");
        bytes.truncate(length);
        bytes
    }

    /// Reads to the end.
    pub fn whole(mut self, has_no_body: bool) -> Reply {
        let mut body = Vec::new();
        if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else if !has_no_body {
            let length = self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
            (&mut self.reader).take(length).read_to_end(&mut body).expect("a body");
        }
        Reply { status: self.status, headers: self.headers, body }
    }

    /// Sends data on a hijacked connection.
    pub fn send(&self, bytes: &[u8]) {
        self.reader.get_ref().write_all(bytes).expect("somebody reads");
    }

    /// Closes the client's sending side.
    pub fn end_input(&self) {
        self.reader.get_ref().shutdown(Shutdown::Write).expect("it can be ended");
    }

    /// Everything that is received on a hijacked connection.
    pub fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).expect("it ends");
        bytes
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        of(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The message of an error.
    #[track_caller]
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// One stream of a multiplexed connection's bytes.
pub fn stream_of(bytes: &[u8], number: u8) -> Vec<u8> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head[0] == number {
            found.extend(&after[..length]);
        }
        rest = &after[length..];
    }
    found
}

fn of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
