//! Reads blobs of a repository as a stream that resumes after a break.

use std::io::{self, Read};
use std::time::Instant;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap};
use reqwest::{Method, Response, StatusCode, Url};

use super::http::{Asked, Decoding, Encoding, Endpoint, Failure, Request, Tries, authority, stalled, too_slow};
use super::repository::Repository;
use super::{Limits, Pace, RegistryError};
use crate::base::digest::BlobDigest;
use crate::image::Descriptor;

impl Repository {
    /// The blob's size, if the registry has it.
    pub fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, RegistryError> {
        let endpoint = self.origin();
        let asking = async {
            let request = self.prepare(endpoint, Method::HEAD, &format!("blobs/{digest}")).await?.blob(digest);
            self.client.service.document(endpoint, &request, "the blob", 0).await
        };
        match self.client.wait(asking) {
            Ok(answer) => Ok(Some(length(&answer.headers).unwrap_or(0))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The blob's bytes as they arrive. The reader must check the digest; the length is checked here if `size` is
    /// known. Errors of the reader are [`RegistryError`]s within [`io::Error`]s.
    pub fn blob(&self, digest: &BlobDigest, size: Option<u64>) -> Result<BlobReader, RegistryError> {
        BlobReader::open(self, *digest, 0, size)
    }

    /// The bytes of a layer that may be missing from the registry: from the URLs in its descriptor, or else from the
    /// registry.
    pub fn foreign_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, RegistryError> {
        for text in &descriptor.urls {
            let Ok(url) = Url::parse(text) else { continue };
            if let Ok(reader) = BlobReader::open_at(self, descriptor.digest, Some(url), 0, Some(descriptor.size)) {
                return Ok(reader);
            }
        }
        self.blob(&descriptor.digest, Some(descriptor.size))
    }

    /// The blob's bytes from `start` up to, but not including, `end`.
    pub fn blob_range(&self, digest: &BlobDigest, start: u64, end: u64) -> Result<BlobReader, RegistryError> {
        BlobReader::open(self, *digest, start, Some(end)).map(|reader| BlobReader { is_part: true, ..reader })
    }

    /// A blob of at most `limit` bytes with its digest checked. `what` is its name in errors.
    pub fn blob_bytes(&self, digest: &BlobDigest, what: &'static str, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let reader = self.blob(digest, None)?;
        reader.take(limit + 1).read_to_end(&mut bytes).map_err(|source| {
            source
                .downcast::<RegistryError>()
                .unwrap_or_else(|source| RegistryError::Source { what: what.to_owned(), source })
        })?;
        if bytes.len() as u64 > limit {
            return Err(RegistryError::TooLarge { name: self.name().to_owned(), what, limit });
        }
        let actual = BlobDigest::of(&bytes);
        if actual != *digest {
            let name = format!("{what} of {}", self.name());
            return Err(RegistryError::WrongDigest { name, expected: digest.to_string(), actual: actual.to_string() });
        }
        Ok(bytes)
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The position of a response's bytes: `Content-Range: bytes 5-9/10` (RFC 9110, 14.4).
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}

/// Reads a blob. If a connection breaks, stalls or ends too early, reads resume from there, as often as [`Limits`]
/// allow.
pub struct BlobReader {
    repository: Repository,
    digest: BlobDigest,
    /// Its location, if it is not in the repository.
    url: Option<Url>,
    /// The position of the next byte in the blob.
    position: u64,
    end: Option<u64>,
    is_part: bool,
    response: Option<Response>,
    /// Bytes to skip that were already read: the registry does not support ranges.
    skip: u64,
    /// The decoder, if a proxy has encoded the response.
    decoding: Option<Decoding>,
    /// Nothing of the response has been read yet.
    at_start: bool,
    chunk: Bytes,
    tries: Tries,
    /// Since the last break.
    got: u64,
    pace: Pace,
}

impl BlobReader {
    fn open(repository: &Repository, digest: BlobDigest, start: u64, end: Option<u64>) -> Result<Self, RegistryError> {
        Self::open_at(repository, digest, None, start, end)
    }

    fn open_at(
        repository: &Repository,
        digest: BlobDigest,
        url: Option<Url>,
        start: u64,
        end: Option<u64>,
    ) -> Result<Self, RegistryError> {
        let limits = repository.client.service.limits();
        let mut reader = Self {
            repository: repository.clone(),
            digest,
            url,
            position: start,
            end,
            is_part: start > 0,
            response: None,
            skip: 0,
            decoding: None,
            at_start: true,
            chunk: Bytes::new(),
            tries: Tries::new(limits, limits.tries),
            got: 0,
            pace: limits.pace(),
        };
        reader.connect()?;
        Ok(reader)
    }

    /// Requests the missing bytes.
    fn connect(&mut self) -> Result<(), RegistryError> {
        let repository = self.repository.clone();
        let (digest, position) = (self.digest, self.position);
        let end = self.end.filter(|_| self.is_part);
        let was_encoded = self.decoding.take().is_some();
        let service = &repository.client.service;
        let ask = async |endpoint: &Endpoint, request: Request| {
            // A range of an encoded response is useless.
            let is_part = !was_encoded && (position > 0 || end.is_some());
            let request = if is_part { request.range(position, end) } else { request };
            service.retry(endpoint, async || service.attempt(endpoint, &request).await).await
        };
        let opened = match &self.url {
            Some(url) => {
                let endpoint = Endpoint::new(&authority(url), "");
                let request = Request::new(Method::GET, url.clone(), repository.name(), &[], service.limits());
                repository.client.wait(ask(&endpoint, request))?
            }
            None => repository.client.wait(repository.read(async |endpoint| {
                let request = repository.prepare(endpoint, Method::GET, &format!("blobs/{digest}")).await?;
                ask(endpoint, request.blob(digest)).await
            }))?,
        };
        let is_partial = opened.status() == StatusCode::PARTIAL_CONTENT;
        let start = if is_partial { range_start(opened.headers()).unwrap_or(position) } else { 0 };
        let mut announced = length(opened.headers()).map(|length| start + length);
        if let Some(encoding) = self.encoding(&opened, announced)? {
            announced = None;
            self.decoding = Some(Decoding::new(encoding).map_err(|error| self.nonsense(&opened, &error.to_string()))?);
        }
        if start > position {
            return Err(self.nonsense(&opened, "it skips bytes"));
        }
        if let (Some(announced), Some(expected)) = (announced, self.end)
            && (announced < expected || (announced > expected && !self.is_part))
        {
            let name = format!("blob {digest} of {}", repository.name());
            return Err(RegistryError::WrongSize { name, expected, actual: announced });
        }
        self.end = self.end.or(announced);
        self.skip = position - start;
        self.response = Some(opened);
        self.at_start = true;
        Ok(())
    }

    /// The encoding that a proxy added to the blob. A server that names the blob's own compression sends exactly as
    /// many bytes as the blob has.
    fn encoding(&self, response: &Response, announced: Option<u64>) -> Result<Option<Encoding>, RegistryError> {
        match Encoding::of(response.headers()) {
            Ok(Some(_)) if announced.is_some() && announced == self.end => Ok(None),
            Ok(Some(_)) if response.status() == StatusCode::PARTIAL_CONTENT => {
                Err(self.nonsense(response, "it is a part of something encoded"))
            }
            Ok(encoding) => Ok(encoding),
            Err(name) => Err(self.nonsense(response, &format!("it is encoded as `{name}`, which nobody asked for"))),
        }
    }

    fn nonsense(&self, response: &Response, reason: &str) -> RegistryError {
        RegistryError::BadAnswer {
            host: self.repository.domain().to_owned(),
            method: "GET",
            url: super::error::redact(response.url().as_str()),
            reason: reason.to_owned(),
        }
    }

    /// The next chunk; `None` at the end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            if self.response.is_none() {
                self.connect()?;
            }
            let Some(response) = &mut self.response else { continue };
            let url = response.url().clone();
            let stall = self.repository.client.service.limits().stall;
            let asked_at = Instant::now();
            let waiting = async { tokio::time::timeout(stall, response.chunk()).await };
            let failure = match self.repository.client.wait(waiting) {
                Ok(Ok(Some(chunk))) => {
                    let slow = self.pace.came(chunk.len() as u64, asked_at.elapsed()).err();
                    let mut chunk = self.decode(chunk)?;
                    let skipped = chunk.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                    self.skip -= skipped as u64;
                    let chunk = chunk.split_off(skipped);
                    let is_last = self.end.is_some_and(|end| end <= self.position + chunk.len() as u64);
                    match slow {
                        Some(slow) if !is_last => too_slow(&self.asked(url.as_str()), slow),
                        _ if chunk.is_empty() => continue,
                        _ => return self.accept(chunk).map(Some),
                    }
                }
                Ok(Ok(None)) if self.end.is_none_or(|end| self.position >= end) => return Ok(None),
                Ok(Ok(None)) => Failure::passing(self.cut_short()),
                // Everything requested has arrived.
                _ if self.end == Some(self.position) => return Ok(None),
                Ok(Err(source)) => Failure::passing(self.broken(source)),
                Err(_) => stalled(&self.asked(url.as_str()), stall),
            };
            self.response = None;
            self.pace = self.repository.client.service.limits().pace();
            if self.got >= Limits::PROGRESS {
                self.tries.start_anew();
            }
            self.got = 0;
            let pause = self.tries.failed(failure)?;
            std::thread::sleep(pause);
        }
    }

    fn decode(&mut self, chunk: Bytes) -> Result<Bytes, RegistryError> {
        // The server named the encoding in which the document was stored, but sends it decoded.
        if std::mem::take(&mut self.at_start) && self.decoding.as_ref().is_some_and(|known| !known.begins(&chunk)) {
            self.decoding = None;
        }
        let Some(decoding) = &mut self.decoding else { return Ok(chunk) };
        decoding.decode(&chunk).map(Bytes::from).map_err(|error| RegistryError::BadAnswer {
            host: self.repository.domain().to_owned(),
            method: "GET",
            url: format!("blob {}", self.digest),
            reason: format!("what it has encoded cannot be decoded: {error}"),
        })
    }

    fn accept(&mut self, mut chunk: Bytes) -> Result<Bytes, RegistryError> {
        if let Some(end) = self.end {
            let left = end - self.position;
            if chunk.len() as u64 > left {
                if !self.is_part {
                    let name = format!("blob {} of {}", self.digest, self.repository.name());
                    let actual = self.position + chunk.len() as u64;
                    return Err(RegistryError::WrongSize { name, expected: end, actual });
                }
                chunk.truncate(left as usize);
            }
        }
        self.position += chunk.len() as u64;
        self.got += chunk.len() as u64;
        Ok(chunk)
    }

    fn what(&self) -> String {
        format!("blob {}", self.digest)
    }

    fn cut_short(&self) -> RegistryError {
        let host = self.repository.domain().to_owned();
        let expected = self.end.unwrap_or_default();
        RegistryError::CutShort { host, what: self.what(), got: self.position, expected }
    }

    fn broken(&self, source: reqwest::Error) -> RegistryError {
        let host = self.repository.domain().to_owned();
        RegistryError::Broken { host, what: self.what(), source: source.without_url() }
    }

    fn asked<'a>(&'a self, url: &'a str) -> Asked<'a> {
        Asked { endpoint: self.repository.origin(), method: "GET", url, name: self.repository.name(), blob: None }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            if self.is_part && self.end == Some(self.position) {
                return Ok(0);
            }
            match self.next_chunk().map_err(io::Error::other)? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
