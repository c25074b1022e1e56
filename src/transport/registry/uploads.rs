//! Uploads blobs to a repository: existing ones are not sent, those of other repositories are mounted, others are sent
//! in chunks and resumed after a break.

use std::io::{self, Read};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::sync::mpsc;

use super::http::{Failure, Refusal, Request, Scope, Tries, is_same_host, stalled};
use super::repository::Repository;
use super::{Limits, RegistryError};
use crate::base::digest::BlobDigest;

/// The size of one read from a source.
const BUFFER: usize = 256 << 10;
/// How many of these are queued for sending.
const WAITING: usize = 4;

/// The content of a blob to be uploaded.
pub trait UploadSource {
    /// A reader of the bytes from `offset` to the end. Called again after a break.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
    /// The registry has this many bytes of the blob now; fewer than before after a break.
    fn sent(&self, bytes: u64) {
        let _ = bytes;
    }
}

impl UploadSource for [u8] {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.get(offset as usize..).unwrap_or_default()))
    }
}

/// How a blob got into the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    Existed,
    /// Mounted from another repository of the registry.
    Mounted {
        from: String,
    },
    Sent,
}

impl Repository {
    /// Makes sure that the repository has the blob. `elsewhere` lists other repositories of the registry that may have
    /// it.
    pub fn upload(
        &self,
        digest: &BlobDigest,
        size: u64,
        elsewhere: &[String],
        source: &(impl UploadSource + ?Sized),
    ) -> Result<Uploaded, RegistryError> {
        if self.blob_size(digest)?.is_some() {
            return Ok(Uploaded::Existed);
        }
        let mut session = None;
        for from in elsewhere.iter().filter(|from| *from != self.path()) {
            match self.begin(Some((digest, from))) {
                Ok(None) => return Ok(Uploaded::Mounted { from: from.clone() }),
                Ok(Some(begun)) => session = Some(begun),
                // Without read access to the other repository, the blob can still be sent.
                Err(RegistryError::Denied { .. } | RegistryError::WrongCredentials { .. }) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
            if session.is_some() {
                break;
            }
        }
        Upload::new(self, *digest, size, source).run(session)?;
        Ok(Uploaded::Sent)
    }

    /// Sends a small blob that is in memory.
    pub fn upload_bytes(&self, bytes: &[u8]) -> Result<BlobDigest, RegistryError> {
        let digest = BlobDigest::of(bytes);
        self.upload(&digest, bytes.len() as u64, &[], bytes)?;
        Ok(digest)
    }

    /// Starts an upload and returns its location; `None` if the blob was mounted.
    fn begin(&self, mount: Option<(&BlobDigest, &str)>) -> Result<Option<Url>, RegistryError> {
        let endpoint = self.origin();
        let service = &self.client.service;
        self.client.wait(async {
            let mut request = self.prepare(endpoint, Method::POST, "blobs/uploads/").await?;
            if let Some((digest, from)) = mount {
                request.url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
                request.scopes.push(Scope::pull(from));
            }
            request.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            service
                .retry(endpoint, async || {
                    let response = service.attempt(endpoint, &request).await?;
                    if mount.is_some() && response.status() == StatusCode::CREATED {
                        return Ok(None);
                    }
                    location(&request, &response).map(Some)
                })
                .await
        })
    }
}

/// The location of the next request.
fn location(request: &Request, response: &Response) -> Result<Url, Failure> {
    let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let url = text.and_then(|text| request.url.join(text).ok());
    url.ok_or_else(|| {
        Failure::passing(RegistryError::BadAnswer {
            host: request.url.host_str().unwrap_or_default().to_owned(),
            method: "POST",
            url: super::error::redact(request.url.as_str()),
            reason: "it says not where the upload goes on".to_owned(),
        })
    })
}

/// How many bytes the registry has: `Range: 0-1023` is 1024.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    // Some registries say `0-0` when they have nothing.
    Some(if last == 0 { 0 } else { last + 1 })
}

/// One blob being uploaded.
struct Upload<'a, S: ?Sized> {
    repository: &'a Repository,
    digest: BlobDigest,
    size: u64,
    source: &'a S,
    /// Whether the registry accepts chunks.
    in_pieces: bool,
}

impl<'a, S: UploadSource + ?Sized> Upload<'a, S> {
    fn new(repository: &'a Repository, digest: BlobDigest, size: u64, source: &'a S) -> Self {
        let in_pieces = size > repository.client.service.limits().piece;
        Self { repository, digest, size, source, in_pieces }
    }

    fn limits(&self) -> &Limits {
        self.repository.client.service.limits()
    }

    /// Continues until the registry has the whole blob.
    fn run(mut self, begun: Option<Url>) -> Result<(), RegistryError> {
        let mut tries = Tries::new(self.limits(), self.limits().tries);
        let mut place = begun;
        let mut offset = 0;
        loop {
            let url = match place.take() {
                Some(url) => url,
                None => {
                    offset = 0;
                    let begun = self.repository.begin(None)?;
                    begun.expect("only a mount ends without a place")
                }
            };
            let before = offset;
            match self.step(&url, &mut offset) {
                Ok(None) => return Ok(()),
                Ok(Some(next)) => {
                    tries.start_anew();
                    place = Some(next);
                }
                Err(failure) => {
                    let failure = self.reconsider(failure, before)?;
                    std::thread::sleep(tries.failed(failure)?);
                    if self.repository.blob_size(&self.digest)?.is_some() {
                        return Ok(());
                    }
                    place = self.resume(&url, &mut offset);
                    if offset >= before + Limits::PROGRESS {
                        tries.start_anew();
                    }
                }
            }
        }
    }

    /// Sends the next chunk, or the end. Returns the next location; `None` when the upload is complete.
    fn step(&self, url: &Url, offset: &mut u64) -> Result<Option<Url>, Failure> {
        if !self.in_pieces {
            self.send(Method::PUT, &self.last_url(url), 0, self.size)?;
            return Ok(None);
        }
        if *offset >= self.size {
            self.send(Method::PUT, &self.last_url(url), self.size, 0)?;
            return Ok(None);
        }
        let length = self.limits().piece.min(self.size - *offset);
        let response = self.send(Method::PATCH, url, *offset, length)?;
        let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let next = next.and_then(|text| url.join(text).ok()).unwrap_or_else(|| url.clone());
        *offset = received(response.headers()).filter(|end| *end <= self.size).unwrap_or(*offset + length);
        Ok(Some(next))
    }

    fn last_url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        url
    }

    /// Some refusals are recoverable: the registry does not accept chunks, or has forgotten the upload.
    fn reconsider(&mut self, failure: Failure, offset: u64) -> Result<Failure, RegistryError> {
        match failure {
            Failure::Final(error @ RegistryError::Source { .. }) => Err(error),
            Failure::Final(RegistryError::Status { status: 400 | 405 | 411 | 415 | 501, .. })
                if self.in_pieces && offset == 0 =>
            {
                self.in_pieces = false;
                Ok(Failure::passing(self.misunderstood()))
            }
            Failure::Final(error @ (RegistryError::NotFound { .. } | RegistryError::NoBlob { .. })) => {
                Ok(Failure::passing(error))
            }
            Failure::Final(error @ RegistryError::Status { status: 400 | 409 | 416, .. }) => {
                Ok(Failure::passing(error))
            }
            other => Ok(other),
        }
    }

    fn misunderstood(&self) -> RegistryError {
        let host = self.repository.domain().to_owned();
        let reason = "it takes no uploads in pieces".to_owned();
        RegistryError::BadAnswer { host, method: "PATCH", url: String::new(), reason }
    }

    /// Asks how far the upload has come. If that is unknown, it starts again.
    fn resume(&self, url: &Url, offset: &mut u64) -> Option<Url> {
        if !self.in_pieces {
            return None;
        }
        let request = self.request(Method::GET, url);
        let service = &self.repository.client.service;
        let endpoint = self.repository.origin();
        let asking = service.retry(endpoint, async || service.attempt(endpoint, &request).await);
        let response = self.repository.client.wait(asking).ok()?;
        *offset = received(response.headers()).filter(|end| *end <= self.size)?;
        self.source.sent(*offset);
        let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        Some(next.and_then(|text| url.join(text).ok()).unwrap_or_else(|| url.clone()))
    }

    fn request(&self, method: Method, url: &Url) -> Request {
        let scope = Scope::push(&self.repository.origin().repository);
        Request::new(method, url.clone(), self.repository.name(), &[scope], self.limits())
    }

    /// Sends `length` bytes from `offset` on.
    fn send(&self, method: Method, url: &Url, offset: u64, length: u64) -> Result<Response, Failure> {
        let client = &self.repository.client;
        let endpoint = self.repository.origin();
        let request = self.request(method, url);
        let asked = request.asked(endpoint);
        let own = client.wait(client.service.scheme(endpoint))?;
        let own = endpoint.url(own, "").map_err(Failure::Final)?;
        let authorization = client.wait(client.service.authorization(&asked, &request.scopes))?;
        // An upload may go to another host, which must not get the registry's credentials.
        let authorization = authorization.filter(|_| is_same_host(url, &own));
        let mut builder = client.service.http_for(url)?.request(request.method.clone(), url.clone());
        builder = builder.header(CONTENT_LENGTH, length).header(CONTENT_TYPE, "application/octet-stream");
        if request.method == Method::PATCH {
            builder = builder.header(CONTENT_RANGE, format!("{offset}-{}", offset + length - 1));
        }
        if let Some(value) = &authorization {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        let (pieces, queue) = mpsc::channel::<Bytes>(WAITING);
        if length > 0 {
            let body = stream::unfold(queue, async |mut queue: mpsc::Receiver<Bytes>| {
                let piece = queue.recv().await?;
                Some((Ok::<_, io::Error>(piece), queue))
            });
            builder = builder.body(Body::wrap_stream(Box::pin(body)));
        }
        let sending = client.service.io.spawn(builder.send());
        if let Err(failure) = self.feed(&asked, &pieces, offset, length) {
            sending.abort();
            return Err(failure);
        }
        drop(pieces);
        let answer = async { sending.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) };
        let response = client.wait(client.service.await_headers(&asked, self.limits().answer, answer))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // The token expired during the upload: it continues with a new one.
            let refusal = Refusal { headers: response.headers().clone(), body: Vec::new() };
            let answering = client.service.answer_challenge(&asked, &refusal, &request.scopes, authorization.as_ref());
            client.wait(answering)?;
            let (host, name) = (endpoint.host.clone(), self.repository.name().to_owned());
            return Err(Failure::passing(RegistryError::Denied { host, name, message: String::new() }));
        }
        client.wait(client.service.judge(&asked, response))
    }

    /// Reads the source and passes it on, until the sender has everything or stops.
    fn feed(
        &self,
        asked: &super::http::Asked<'_>,
        pieces: &mpsc::Sender<Bytes>,
        offset: u64,
        length: u64,
    ) -> Result<(), Failure> {
        let unreadable =
            |source| Failure::Final(RegistryError::Source { what: format!("blob {}", self.digest), source });
        if length == 0 {
            // The end of a chunked upload. A remote source can't be opened behind its last byte.
            return Ok(());
        }
        let stall = self.limits().stall;
        let mut reader = self.source.open(offset).map_err(unreadable)?.take(length);
        let mut sent = 0;
        while sent < length {
            let mut buffer = vec![0; BUFFER.min((length - sent) as usize)];
            reader.read_exact(&mut buffer).map_err(unreadable)?;
            let count = buffer.len() as u64;
            let handing = async { tokio::time::timeout(stall, pieces.send(buffer.into())).await };
            match self.repository.client.wait(handing) {
                Ok(Ok(())) => sent += count,
                // There is already a response, or the connection is gone.
                Ok(Err(_)) => break,
                Err(_) => return Err(stalled(asked, stall)),
            }
            self.source.sent(offset + sent);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_told_by_the_last_byte() {
        let of = |text: &str| received(&[(RANGE, text.parse().unwrap())].into_iter().collect());
        assert_eq!((of("0-1023"), of("bytes=0-9"), of("0-0")), (Some(1024), Some(10), Some(0)));
        assert_eq!((of("5-9"), of("nonsense")), (None, None));
    }
}
