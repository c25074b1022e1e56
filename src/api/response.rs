//! The response of a page.

use std::io;

use serde::Serialize;

use super::hijack::Hijacked;
use super::output::Output;

pub const JSON: &str = "application/json";
pub const TEXT: &str = "text/plain; charset=utf-8";
pub const TAR: &str = "application/x-tar";
pub const RAW: &str = "application/vnd.docker.raw-stream";
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

type Write = Box<dyn FnOnce(&mut Output) -> io::Result<()> + Send>;
type Take = Box<dyn FnOnce(Hijacked) + Send>;

pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content: Content,
}

pub enum Content {
    Nothing,
    Whole {
        kind: &'static str,
        bytes: Vec<u8>,
    },
    /// The head is sent immediately, and the data as it is written. An error ends the connection.
    Stream {
        kind: &'static str,
        write: Write,
    },
    /// The connection itself, after the head.
    Hijack {
        headers: Vec<(&'static str, String)>,
        take: Take,
    },
}

impl Response {
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut bytes = serde_json::to_vec(value)?;
        bytes.push(b'\n');
        Ok(Self::of(200, Content::Whole { kind: JSON, bytes }))
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::of(200, Content::Whole { kind: TEXT, bytes: text.into().into_bytes() })
    }

    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self::of(status, Content::Nothing)
    }

    pub fn stream(kind: &'static str, write: impl FnOnce(&mut Output) -> io::Result<()> + Send + 'static) -> Self {
        Self::of(200, Content::Stream { kind, write: Box::new(write) })
    }

    /// Takes the connection over: with status 101 if the client asked for an upgrade, otherwise 200.
    pub fn hijack(upgrade: Option<String>, kind: &str, take: impl FnOnce(Hijacked) + Send + 'static) -> Self {
        let mut headers = vec![("Content-Type", kind.to_owned())];
        let status = if upgrade.is_some() { 101 } else { 200 };
        // Whatever the client named.
        let answer = || [("Connection", "Upgrade".to_owned()), ("Upgrade", "tcp".to_owned())];
        headers.extend(upgrade.into_iter().flat_map(|_| answer()));
        Self::of(status, Content::Hijack { headers, take: Box::new(take) })
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn of(status: u16, content: Content) -> Self {
        Self { status, headers: Vec::new(), content }
    }
}
