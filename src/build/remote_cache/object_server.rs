//! What all object storage has in common, whatever the protocol: the client, retries, error messages and payloads.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use reqwest::{Body, Client, Method, RequestBuilder, Response, Url};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::body::body_reader;
use super::place::{BlobContent, PlaceError};
use crate::base::hex;
use crate::image::Descriptor;
use crate::transport::cloud::CloudError;
use crate::transport::cloud::sigv4::escape_path;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How many times a request is made if the server could not respond.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How much of a server's error message is read.
const MESSAGE_LIMIT: u64 = 4096;
const CHUNK: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("the bucket's address, `{text}`, is not an http(s) URL")]
    Address { text: String },
    #[error("there are no credentials for the bucket {bucket}")]
    NoCredentials { bucket: String },
    #[error("the key for {bucket} is not valid base64")]
    Key { bucket: String },
    #[error("no credentials are configured for the bucket {bucket}")]
    Identity { bucket: String, source: CloudError },
    #[error("the bucket {bucket} has no object `{key}`")]
    NoObject { bucket: String, key: String },
    #[error("cannot reach {host} ({method} {path})")]
    Unreachable {
        host: String,
        method: Method,
        path: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{host} answered {status} ({method} {path}): {message}")]
    Status { host: String, method: Method, path: String, status: u16, message: String },
    #[error("{host} sent an answer that makes no sense ({path}): {reason}")]
    BadAnswer { host: String, path: String, reason: String },
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] io::Error),
}

/// The body of a request.
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Blob(&'a Descriptor, &'a BlobContent<'a>),
    Part { bytes: Bytes, sha256: String },
}

impl Payload<'_> {
    pub(super) fn sha256(&self) -> String {
        match self {
            Self::Nothing => hex::encode(&Sha256::digest(b"")),
            Self::Bytes(bytes) => hex::encode(&Sha256::digest(bytes)),
            Self::Blob(blob, _) => blob.digest.hex(),
            Self::Part { sha256, .. } => sha256.clone(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob, _) => blob.size,
            Self::Part { bytes, .. } => bytes.len() as u64,
        }
    }

    fn body(&self) -> Result<Body, PlaceError> {
        Ok(match self {
            Self::Nothing => Body::from(""),
            Self::Bytes(bytes) => Body::from(bytes.to_vec()),
            Self::Part { bytes, .. } => Body::from(bytes.clone()),
            Self::Blob(blob, content) => {
                let reader = content().map_err(|source| PlaceError::Content { digest: blob.digest, source })?;
                Body::wrap_stream(chunks_of(reader))
            }
        })
    }
}

/// Reads on a separate thread, a few chunks ahead.
fn chunks_of(mut reader: Box<dyn Read + Send>) -> BoxStream<'static, io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        loop {
            let mut buffer = vec![0; CHUNK];
            let chunk = match reader.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    buffer.truncate(count);
                    Ok(Bytes::from(buffer))
                }
                Err(error) => Err(error),
            };
            let is_end = chunk.is_err();
            // The receiver is gone if the request has failed.
            if sender.blocking_send(chunk).is_err() || is_end {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) }).boxed()
}

/// A server that keeps objects.
pub(super) struct ObjectServer {
    address: Url,
    http: Client,
    runtime: Arc<Runtime>,
}

impl ObjectServer {
    pub fn at(address: String) -> Result<Self, BucketError> {
        let address = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            .ok_or(BucketError::Address { text: address })?;
        // Two dependencies could each choose a provider, so neither does; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BucketError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { address, http, runtime: Arc::new(runtime.map_err(BucketError::Runtime)?) })
    }

    pub fn host(&self) -> String {
        self.address.host_str().unwrap_or_default().to_owned()
    }

    /// The address of an object. An empty key is the bucket itself.
    pub fn url(&self, key: &str) -> Url {
        let mut url = self.address.clone();
        if !key.is_empty() {
            url.set_path(&format!("{}/{}", self.address.path().trim_end_matches('/'), escape_path(key)));
        }
        url
    }

    /// Makes a request, with retries if the server could not respond; returns the response whatever its status.
    pub fn persist(&self, once: impl Fn() -> Result<Response, PlaceError>) -> Result<Response, PlaceError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let response = once();
            let may_pass = match &response {
                Ok(response) => response.status().is_server_error() || response.status().as_u16() == 429,
                Err(PlaceError::Bucket(BucketError::Unreachable { .. })) => true,
                Err(_) => false,
            };
            if !may_pass || attempt >= TRIES {
                return response;
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        unreachable!("the loop ends with the last try")
    }

    /// Sends one request, whose headers are signed for this method and address.
    pub fn send(
        &self,
        (method, url): (&Method, Url),
        headers: impl IntoIterator<Item = (&'static str, String)>,
        payload: &Payload<'_>,
    ) -> Result<Response, PlaceError> {
        let (host, path) = (host_and_port(&url), url.path().to_owned());
        let mut request: RequestBuilder =
            self.http.request(method.clone(), url).header("content-length", payload.size());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if payload.size() > 0 {
            request = request.body(payload.body()?);
        }
        // Created inside the runtime: the client starts its timers when a request is created.
        let sent = self.runtime.block_on(async { request.send().await });
        let method = method.clone();
        Ok(sent.map_err(|source| BucketError::Unreachable { host, method, path, source: source.without_url() })?)
    }

    /// The code and the message in the XML of an error response.
    pub fn refusal(&self, response: Response, method: Method, key: &str) -> BucketError {
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        // An interrupted message is shown as far as it was received.
        let _ = self.reader(response).take(MESSAGE_LIMIT).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let parts: Vec<&str> = ["Code", "Message"].into_iter().filter_map(|name| element(&text, name)).collect();
        let message = if parts.is_empty() { "no reason is given".to_owned() } else { parts.join(": ") };
        BucketError::Status { host: self.host(), method, path: key.to_owned(), status, message }
    }

    pub fn reader(&self, response: Response) -> Box<dyn Read + Send> {
        Box::new(body_reader(&self.runtime, response))
    }
}

pub(super) fn host_and_port(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// The size of the requested object.
pub(super) fn size_of(response: &Response) -> u64 {
    let text = response.headers().get("content-length").and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The text of the first element with that name.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once("</")?.0)
}
