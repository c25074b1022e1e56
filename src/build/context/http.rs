//! Files from http(s) addresses, for ADD and for contexts: downloaded once, revalidated, verified.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::FindSecret;
use super::git::decode;
use crate::base::digest::{BlobDigest, HashingWriter};
use crate::base::io_error::{AtPath, IoError};
use crate::base::redaction;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot download `{url}`")]
    Transport {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot download `{url}`: invalid response status {status}")]
    Status { url: String, status: u16 },
    #[error("cannot upload to `{url}`")]
    Upload {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot upload to `{url}`: the server answered {status}")]
    UploadStatus { url: String, status: u16 },
    #[error("`{url}` is longer than {limit} bytes")]
    TooLong { url: String, limit: u64 },
    #[error("`{url}` has the digest {actual}, not {expected}")]
    Checksum { url: String, expected: BlobDigest, actual: BlobDigest },
    #[error(transparent)]
    Io(#[from] IoError),
}

/// What to download, and the limits.
#[derive(Debug, Clone)]
pub struct HttpRequest<'a> {
    pub url: &'a str,
    /// The required digest of the content.
    pub checksum: Option<BlobDigest>,
    /// The folder of downloads that are kept between builds.
    pub cache: &'a Path,
    pub max_bytes: u64,
    /// For a whole attempt.
    pub timeout: Duration,
    pub tries: u32,
    /// The authorization for the server; not sent to redirect targets.
    pub authorization: Option<Authorization>,
    /// Certificate authorities in addition to the system's, in PEM.
    pub authority: Option<&'a [u8]>,
}

/// The value of an `Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

/// Shows nothing of it.
impl std::fmt::Debug for Authorization {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authorization")
    }
}

impl Authorization {
    /// A token, for the request's server only.
    pub fn bearer(token: &str) -> Self {
        Self(format!("Bearer {token}"))
    }

    /// The authorization for the server of this address, from a secret: `HTTP_AUTH_TOKEN_HOST`, or else
    /// `HTTP_AUTH_HEADER_HOST`.
    pub fn of(url: &str, secret: &FindSecret<'_>) -> Result<Option<Self>, IoError> {
        let Some(host) = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)) else {
            return Ok(None);
        };
        for (name, scheme) in [("HTTP_AUTH_TOKEN", "Bearer "), ("HTTP_AUTH_HEADER", "")] {
            if let Some(value) = secret(&format!("{name}_{host}"))? {
                let value = String::from_utf8_lossy(&value);
                return Ok(Some(Self(format!("{scheme}{}", value.trim_end_matches(['\r', '\n'])))));
            }
        }
        Ok(None)
    }
}

/// A file that was downloaded now or earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// In the cache; must not be changed.
    pub path: PathBuf,
    pub digest: BlobDigest,
    pub size: u64,
    /// From `Last-Modified`, in seconds since the epoch.
    pub mtime: Option<i64>,
}

impl<'a> HttpRequest<'a> {
    /// A request with the default limits: 16 GiB, an hour, five tries.
    pub fn new(url: &'a str, cache: &'a Path) -> Self {
        let timeout = Duration::from_secs(3600);
        let (checksum, authorization, authority) = (None, None, None);
        Self { url, checksum, cache, max_bytes: 16 << 30, timeout, tries: 5, authorization, authority }
    }
}

/// The file name that ADD uses for this address: the last component of its path, decoded.
pub fn file_name(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    let path = path.find('/').map_or("", |slash| &path[slash..]);
    let path = decode(path);
    let name = path.split('/').rfind(|name| !matches!(*name, "" | "."));
    name.filter(|name| *name != "..").unwrap_or("__unnamed__").to_owned()
}

/// Downloads the file, or returns it from the cache if the server says that it has not changed.
pub fn download(request: &HttpRequest<'_>) -> Result<Downloaded, HttpError> {
    let remembered = Remembered::load(request);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.at("start", "the network client")?;
    let downloaded = runtime.block_on(Transfer::new(request)?.run(remembered))?;
    match request.checksum {
        Some(expected) if expected != downloaded.digest => {
            Err(HttpError::Checksum { url: redacted(request.url), expected, actual: downloaded.digest })
        }
        _ => Ok(downloaded),
    }
}

/// The server's metadata of a file in the cache.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    url: String,
    digest: BlobDigest,
    size: u64,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Remembered {
    fn path(request: &HttpRequest<'_>) -> PathBuf {
        request.cache.join(format!("{}.json", BlobDigest::of(request.url.as_bytes()).hex()))
    }

    /// `None` if the file is gone or has changed.
    fn load(request: &HttpRequest<'_>) -> Option<Self> {
        let remembered: Self = serde_json::from_slice(&fs::read(Self::path(request)).ok()?).ok()?;
        let mut content = File::open(content_path(request.cache, remembered.digest)).ok()?;
        let mut hashing = HashingWriter::new(std::io::sink());
        std::io::copy(&mut content, &mut hashing).ok()?;
        let (_, digest, size) = hashing.finish();
        (remembered.url == redacted(request.url) && digest == remembered.digest && size == remembered.size)
            .then_some(remembered)
    }

    fn save(&self, request: &HttpRequest<'_>) -> Result<(), HttpError> {
        let path = Self::path(request);
        let mut file = tempfile::NamedTempFile::new_in(request.cache).at("create a file in", request.cache)?;
        let text = serde_json::to_vec(self).map_err(std::io::Error::from).at("write", &path)?;
        file.write_all(&text).at("write", &path)?;
        file.persist(&path).map_err(|error| error.error).at("replace", &path)?;
        Ok(())
    }

    fn downloaded(self, cache: &Path) -> Downloaded {
        let mtime = self.last_modified.as_deref().and_then(seconds);
        Downloaded { path: content_path(cache, self.digest), digest: self.digest, size: self.size, mtime }
    }
}

fn redacted(url: &str) -> String {
    redaction::in_text(url).into_owned()
}

fn content_path(cache: &Path, digest: BlobDigest) -> PathBuf {
    cache.join(digest.hex())
}

struct Transfer<'a> {
    request: &'a HttpRequest<'a>,
    client: Client,
}

/// Whether another attempt makes sense.
enum Failure {
    Final(HttpError),
    Passing(HttpError, Option<Duration>),
}

impl<'a> Transfer<'a> {
    fn new(request: &'a HttpRequest<'a>) -> Result<Self, HttpError> {
        // Another part of the program may have installed the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        fs::create_dir_all(request.cache).at("create", request.cache)?;
        let client = Client::builder()
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(60))
            .timeout(request.timeout);
        let own = request.authority.map(reqwest::Certificate::from_pem_bundle).transpose();
        let own = own.map_err(|source| transport(request, source))?;
        let client = own.into_iter().fold(client, |client, own| client.tls_certs_merge(own)).build();
        let client = client.map_err(|source| transport(request, source))?;
        Ok(Self { request, client })
    }

    async fn run(&self, remembered: Option<Remembered>) -> Result<Downloaded, HttpError> {
        let mut pause = Duration::from_millis(250);
        let mut tried = 1;
        loop {
            match self.attempt(remembered.as_ref()).await {
                Ok(Some(fresh)) => {
                    fresh.save(self.request)?;
                    return Ok(fresh.downloaded(self.request.cache));
                }
                Ok(None) => match remembered {
                    Some(remembered) => return Ok(remembered.downloaded(self.request.cache)),
                    // The request was unconditional, so this status makes no sense.
                    None => return Err(self.status(StatusCode::NOT_MODIFIED)),
                },
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, _)) if tried >= self.request.tries => return Err(error),
                Err(Failure::Passing(_, wanted)) => tokio::time::sleep(wanted.unwrap_or(pause)).await,
            }
            tried += 1;
            pause *= 2;
        }
    }

    /// `None` if the remembered file is still valid.
    async fn attempt(&self, remembered: Option<&Remembered>) -> Result<Option<Remembered>, Failure> {
        let mut get = self.client.get(self.request.url);
        if let Some(Authorization(value)) = &self.request.authorization {
            get = get.header(AUTHORIZATION, value);
        }
        if let Some(etag) = remembered.and_then(|remembered| remembered.etag.as_deref()) {
            get = get.header(IF_NONE_MATCH, etag);
        } else if let Some(time) = remembered.and_then(|remembered| remembered.last_modified.as_deref()) {
            get = get.header(IF_MODIFIED_SINCE, time);
        }
        let response = get.send().await.map_err(|error| self.broken(error))?;
        match response.status() {
            StatusCode::NOT_MODIFIED => Ok(None),
            StatusCode::OK => self.receive(response).await.map(Some),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Passing(self.status(status), retry_after(response.headers())))
            }
            status => Err(Failure::Final(self.status(status))),
        }
    }

    async fn receive(&self, mut response: Response) -> Result<Remembered, Failure> {
        let io = |error: IoError| Failure::Final(error.into());
        let cache = self.request.cache;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, last_modified) = (header(ETAG), header(LAST_MODIFIED));
        let file = tempfile::NamedTempFile::new_in(cache).at("create a file in", cache).map_err(io)?;
        let mut hashing = HashingWriter::new(file);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            hashing.write_all(&chunk).at("write to", cache).map_err(io)?;
            if hashing.written() > self.request.max_bytes {
                let url = redacted(self.request.url);
                return Err(Failure::Final(HttpError::TooLong { url, limit: self.request.max_bytes }));
            }
        }
        let (file, digest, size) = hashing.finish();
        let path = content_path(cache, digest);
        file.persist(&path).map_err(|error| error.error).at("replace", &path).map_err(io)?;
        Ok(Remembered { url: redacted(self.request.url), digest, size, etag, last_modified })
    }

    /// A failed connection or a truncated body may work next time; an invalid address will not.
    fn broken(&self, source: reqwest::Error) -> Failure {
        let hopeless = source.is_builder() || source.is_redirect();
        let error = transport(self.request, source);
        if hopeless { Failure::Final(error) } else { Failure::Passing(error, None) }
    }

    fn status(&self, status: StatusCode) -> HttpError {
        HttpError::Status { url: redacted(self.request.url), status: status.as_u16() }
    }
}

fn transport(request: &HttpRequest<'_>, source: reqwest::Error) -> HttpError {
    HttpError::Transport { url: redacted(request.url), source: source.without_url() }
}

/// Seconds, or the time of the next attempt; at most a minute, even if the server wants more.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let until = |date| u64::try_from(seconds(date)?.saturating_sub(jiff::Timestamp::now().as_second()).max(0)).ok();
    let wanted = text.parse().ok().or_else(|| until(text))?;
    Some(Duration::from_secs(wanted.min(60)))
}

/// An HTTP date (RFC 9110, "Date/Time Formats"); its usual form is that of mail.
fn seconds(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_again_in_seconds_or_by_a_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers).map(|pause| pause.as_secs())
        };
        assert_eq!((after("7"), after("100000"), after("soon")), (Some(7), Some(60), None));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert_eq!(after("Fri, 21 Oct 2129 07:28:00 GMT"), Some(60));
    }

    #[test]
    fn names_come_from_the_path() {
        for (url, expected) in [
            ("http://h/a/file.txt", "file.txt"),
            ("http://h/filev.txt?q=1/2", "filev.txt"),
            ("http://h/a%20b", "a b"),
            ("http://h/dir/", "dir"),
            ("http://h", "__unnamed__"),
            ("http://h/", "__unnamed__"),
            ("http://h/..", "__unnamed__"),
            ("http://h/a%2F..%2F..", "__unnamed__"),
        ] {
            assert_eq!(file_name(url), expected, "{url}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }
}
