//! A cache in a bucket of S3, or of something that speaks its protocol.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use reqwest::{Body, Client, Method, Response, Url};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::body::body_reader;
use super::bucket_options::{BucketObject, BucketOptions};
use super::multipart::{THRESHOLD, element};
use super::place::{BlobContent, Place, PlaceError, read_bounded};
use crate::base::digest::BlobDigest;
use crate::base::hex;
use crate::image::Descriptor;
use crate::transport::cloud::sigv4::{Credentials, Unsigned, escape_path, sign};
use crate::transport::cloud::{self, CloudError, Expiring};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a request is made that a server could not answer.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How much of what a server says about an error is read.
const MESSAGE_LIMIT: u64 = 4096;
const CHUNK: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("the bucket's address `{text}` is no http(s) URL")]
    Address { text: String },
    #[error("there are no credentials for the bucket {bucket}")]
    NoCredentials { bucket: String },
    #[error("the key for {bucket} is none: it is not in base64")]
    Key { bucket: String },
    #[error("nobody says with which credentials the bucket {bucket} is to be asked")]
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
    #[error("{host} answered what makes no sense ({path}): {reason}")]
    BadAnswer { host: String, path: String, reason: String },
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] io::Error),
}

pub struct Bucket {
    options: BucketOptions,
    address: Url,
    http: Client,
    runtime: Arc<Runtime>,
    /// What the environment, the machine or the pod said last.
    found: Mutex<Option<Expiring<Credentials>>>,
}

/// What a request carries.
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Blob(&'a Descriptor, &'a BlobContent<'a>),
    Part { bytes: Bytes, sha256: String },
}

/// One request.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub key: &'a str,
    /// Escaped and in the order in which it is signed.
    pub query: &'a str,
    pub payload: &'a Payload<'a>,
}

impl Payload<'_> {
    fn sha256(&self) -> String {
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

    pub(super) fn body(&self) -> Result<Body, PlaceError> {
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

/// Reads on a thread of its own, a few chunks ahead.
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
            // Nobody listens any more when the request has failed.
            if sender.blocking_send(chunk).is_err() || is_end {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|chunk| (chunk, receiver)) }).boxed()
}

impl Bucket {
    pub fn new(options: BucketOptions) -> Result<Self, BucketError> {
        let address = options.address();
        let address = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
            .ok_or(BucketError::Address { text: address })?;
        // Two of our dependencies could each choose a provider, so neither does; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BucketError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            options,
            address,
            http,
            runtime: Arc::new(runtime.map_err(BucketError::Runtime)?),
            found: Mutex::default(),
        })
    }

    /// What was given, or else what Amazon's own tools would find here, for as long as it is good.
    fn credentials(&self) -> Result<Credentials, BucketError> {
        if let Some(given) = &self.options.given {
            return Ok(given.clone());
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.as_ref().filter(|known| known.is_good()) {
            return Ok(known.value.clone());
        }
        let bucket = || self.options.bucket.clone();
        let asked = cloud::aws_credentials(&cloud::environment);
        let asked = asked.map_err(|source| BucketError::Identity { bucket: bucket(), source })?;
        let asked = asked.ok_or_else(|| BucketError::NoCredentials { bucket: bucket() })?;
        Ok(found.insert(asked).value.clone())
    }

    fn blob_key(&self, digest: &BlobDigest) -> String {
        format!("{}{}sha256/{}", self.options.prefix, self.options.blobs_prefix, digest.hex())
    }

    fn manifest_key(&self) -> String {
        format!("{}{}{}", self.options.prefix, self.options.manifests_prefix, self.options.name)
    }

    /// Makes the request, again where the server could not answer; gives the answer whatever its status is.
    fn request(&self, ask: &Ask<'_>) -> Result<Response, PlaceError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let response = self.request_once(ask);
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

    fn request_once(&self, ask: &Ask<'_>) -> Result<Response, PlaceError> {
        let Ask { method, key, query, payload } = ask;
        let credentials = self.credentials()?;
        let mut url = self.address.clone();
        let path = format!("{}/{}", self.address.path().trim_end_matches('/'), escape_path(key));
        url.set_path(&path);
        url.set_query(Some(*query).filter(|query| !query.is_empty()));
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let sha256 = payload.sha256();
        let unsigned = Unsigned {
            method: method.as_str(),
            host: &host,
            path: &path,
            query,
            payload: &sha256,
            region: &self.options.region,
            service: "s3",
            target: None,
        };
        let mut request = self.http.request(method.clone(), url).header("content-length", payload.size());
        for (name, value) in sign(&unsigned, &credentials, Timestamp::now()) {
            request = request.header(name, value);
        }
        if payload.size() > 0 {
            request = request.body(payload.body()?);
        }
        // Within the runtime from the first moment: the client starts its timers when a request is begun.
        let sent = self.runtime.block_on(async { request.send().await });
        Ok(sent.map_err(|source| BucketError::Unreachable {
            host,
            method: method.clone(),
            path,
            source: source.without_url(),
        })?)
    }

    /// The answer, when it is a good one; nothing when there is no such object.
    pub(super) fn good(&self, ask: &Ask<'_>) -> Result<Option<Response>, PlaceError> {
        let response = self.request(ask)?;
        let status = response.status();
        if status.is_success() {
            return Ok(Some(response));
        }
        if status.as_u16() == 404 && ask.payload.size() == 0 {
            return Ok(None);
        }
        let host = self.host();
        let message = self.message_of(response);
        let (method, path) = (ask.method.clone(), ask.key.to_owned());
        Err(BucketError::Status { host, method, path, status: status.as_u16(), message }.into())
    }

    /// The same for a whole object.
    fn object(&self, method: Method, key: &str, payload: &Payload<'_>) -> Result<Option<Response>, PlaceError> {
        self.good(&Ask { method, key, query: "", payload })
    }

    pub(super) fn host(&self) -> String {
        self.address.host_str().unwrap_or_default().to_owned()
    }

    /// What S3 says in its XML: the code and a sentence.
    fn message_of(&self, response: Response) -> String {
        let mut bytes = Vec::new();
        // What broke off is said as far as it came.
        let _ = self.reader(response).take(MESSAGE_LIMIT).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let parts: Vec<&str> = ["Code", "Message"].into_iter().filter_map(|name| element(&text, name)).collect();
        if parts.is_empty() { "no reason is given".to_owned() } else { parts.join(": ") }
    }

    pub(super) fn reader(&self, response: Response) -> Box<dyn Read + Send> {
        Box::new(body_reader(&self.runtime, response))
    }
}

/// The bytes of an object.
pub fn open_object(object: &BucketObject) -> Result<Box<dyn Read + Send>, PlaceError> {
    let bucket = Bucket::new(object.bucket.clone())?;
    let missing = || BucketError::NoObject { bucket: object.bucket.bucket.clone(), key: object.key.clone() };
    let response = bucket.object(Method::GET, &object.key, &Payload::Nothing)?.ok_or_else(missing)?;
    Ok(bucket.reader(response))
}

impl Place for Bucket {
    fn shown(&self) -> String {
        self.options.shown()
    }

    fn source(&self) -> String {
        self.options.source()
    }

    fn manifest(&self, limit: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.object(Method::GET, &self.manifest_key(), &Payload::Nothing)? {
            Some(response) => read_bounded(self.reader(response), "the manifest", limit).map(Some),
            None => Ok(None),
        }
    }

    fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, PlaceError> {
        let response = self.object(Method::HEAD, &self.blob_key(digest), &Payload::Nothing)?;
        let length = |response: Response| {
            let text = response.headers().get("content-length").and_then(|value| value.to_str().ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(response.map(length))
    }

    fn open_blob(&self, digest: &BlobDigest) -> Result<Box<dyn Read + Send>, PlaceError> {
        match self.object(Method::GET, &self.blob_key(digest), &Payload::Nothing)? {
            Some(response) => Ok(self.reader(response)),
            None => Err(PlaceError::NoBlob { digest: *digest }),
        }
    }

    fn put_blob(&self, blob: &Descriptor, content: &BlobContent<'_>) -> Result<(), PlaceError> {
        let key = self.blob_key(&blob.digest);
        match blob.size > THRESHOLD {
            true => self.put_in_parts(&key, blob, content),
            false => self.object(Method::PUT, &key, &Payload::Blob(blob, content)).map(drop),
        }
    }

    fn put_manifest(&self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.object(Method::PUT, &self.manifest_key(), &Payload::Bytes(bytes)).map(drop)
    }
}
