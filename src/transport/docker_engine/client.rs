//! Requests to an engine, and streamed responses.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Body, Certificate, Client, Identity, Method, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::EngineError;
use super::address::{Address, Tls, Way};

/// The time limit for reaching an engine. On the same machine it responds within a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// The maximum number of chunks that wait for the engine to read them.
const PIECES: usize = 8;
const PIECE: usize = 256 << 10;

/// An engine that has responded.
pub struct Engine {
    pub(super) place: String,
    http: Client,
    base: String,
    runtime: Runtime,
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Engine({})", self.place)
    }
}

impl Engine {
    /// Checks whether there is an engine.
    pub fn connect(address: &Address) -> Result<Self, EngineError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(EngineError::Runtime)?;
        // Another part of the program may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().no_proxy().connect_timeout(PATIENCE);
        let (builder, base) = match &address.way {
            Way::Socket(path) => (builder.unix_socket(path.as_path()), "http://docker".to_owned()),
            Way::Tcp { authority, tls: None } => (builder, format!("http://{authority}")),
            Way::Tcp { authority, tls: Some(tls) } => {
                (with_certificates(builder, tls)?, format!("https://{authority}"))
            }
        };
        let http = builder.build().map_err(EngineError::Prepare)?;
        let engine = Self { place: address.shown.clone(), http, base, runtime };
        let ping = engine.http.get(format!("{}/_ping", engine.base)).timeout(PATIENCE);
        engine.runtime.block_on(async { ping.send().await }).map_err(|source| engine.unreachable(source))?;
        Ok(engine)
    }

    /// Its name for users.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The response to a GET; `None` if the object does not exist.
    pub(super) fn get(&self, path: &str) -> Result<Option<Value>, EngineError> {
        let response = self.send(Method::GET, path, &[], Body::default())?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = self.whole(self.checked(response)?)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| EngineError::Answer { place: self.place.clone(), source })
    }

    /// Sends a request without a body.
    pub(super) fn post(&self, path: &str, query: &[(&str, &str)]) -> Result<(), EngineError> {
        let response = self.send(Method::POST, path, query, Body::default())?;
        self.whole(self.checked(response)?).map(drop)
    }

    /// Sends what `write` writes, while the engine reads it, and returns the whole response. An error of `write` is
    /// returned, and the engine gets a truncated stream.
    pub(super) fn upload<E: Send>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), E> + Send,
    ) -> Result<Result<Vec<u8>, EngineError>, E> {
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
        let body = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        let hung_up = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let hung_up = &hung_up;
            let writer = scope.spawn(move || {
                let mut pieces = Pieces { sender: sender.clone(), buffer: Vec::with_capacity(PIECE), hung_up };
                let written = write(&mut pieces);
                match &written {
                    // The engine may have hung up; its response says more.
                    Ok(()) => drop(pieces.flush()),
                    Err(_) => drop(sender.blocking_send(Err(io::ErrorKind::BrokenPipe.into()))),
                }
                written
            });
            let answer = self
                .send(Method::POST, path, query, Body::wrap_stream(body))
                .and_then(|response| self.whole(self.checked(response)?));
            match writer.join() {
                // Writing fails once the engine stops reading, but that is not the cause.
                Ok(Err(_)) if hung_up.load(Ordering::Acquire) => Ok(answer),
                Ok(written) => written.map(|()| answer),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The engine's response, read as it arrives.
    pub(super) fn download<'a>(&'a self, path: &str) -> Result<impl Read + Send + use<'a>, EngineError> {
        let response = self.send(Method::GET, path, &[], Body::default())?;
        let pieces = self.checked(response)?.bytes_stream();
        Ok(Incoming { runtime: &self.runtime, pieces: Box::pin(pieces), rest: Bytes::new() })
    }

    fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Body) -> Result<Response, EngineError> {
        let mut url = reqwest::Url::parse(&self.base).expect("it was made of a host and a port");
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url).header("Content-Type", "application/x-tar").body(body);
        self.runtime.block_on(async { request.send().await }).map_err(|source| self.unreachable(source))
    }

    /// The response, unless it is an error.
    fn checked(&self, response: Response) -> Result<Response, EngineError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = self.whole(response)?;
        let said = serde_json::from_slice::<Value>(&bytes).ok();
        let said = said.and_then(|said| Some(said.get("message")?.as_str()?.to_owned()));
        Err(self.refused(said.unwrap_or_else(|| format!("it answers with {status}"))))
    }

    fn whole(&self, response: Response) -> Result<Vec<u8>, EngineError> {
        let bytes = self.runtime.block_on(response.bytes());
        bytes.map(Vec::from).map_err(|source| EngineError::Broken { place: self.place.clone(), source })
    }

    pub(super) fn refused(&self, message: String) -> EngineError {
        EngineError::Refused { place: self.place.clone(), message }
    }

    fn unreachable(&self, source: reqwest::Error) -> EngineError {
        EngineError::Unreachable { place: self.place.clone(), source: source.without_url() }
    }
}

fn with_certificates(builder: reqwest::ClientBuilder, tls: &Tls) -> Result<reqwest::ClientBuilder, EngineError> {
    let builder = if tls.verify { builder } else { builder.tls_danger_accept_invalid_certs(true) };
    let Some(folder) = &tls.folder else { return Ok(builder) };
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read(&file).map_err(|source| EngineError::Certificate { file: file.display().to_string(), source })
    };
    let not_pem = |name: &str| {
        let file = Path::new(folder).join(name).display().to_string();
        move |source| EngineError::NotPem { file, source }
    };
    let authority = Certificate::from_pem(&read("ca.pem")?).map_err(not_pem("ca.pem"))?;
    let own = [read("cert.pem")?, b"\n".to_vec(), read("key.pem")?].concat();
    let own = Identity::from_pem(&own).map_err(not_pem("key.pem"))?;
    Ok(builder.tls_certs_only([authority]).identity(own))
}

/// A writer whose bytes become a request's body.
struct Pieces<'a> {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
    /// The chunks are no longer read.
    hung_up: &'a AtomicBool,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE)));
        self.sender.blocking_send(Ok(piece)).map_err(|_| {
            self.hung_up.store(true, Ordering::Release);
            io::Error::other("the engine reads no more")
        })
    }
}

type ByteStream = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

struct Incoming<'a> {
    runtime: &'a Runtime,
    pieces: ByteStream,
    rest: Bytes,
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.pieces.next()) {
                None => return Ok(0),
                Some(piece) => self.rest = piece.map_err(io::Error::other)?,
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
