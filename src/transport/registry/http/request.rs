//! A single request: authenticated, redirected, retried, with a limit on its response.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use super::asked::Asked;
use super::auth::Refusal;
use super::connection::authority;
use super::encoding::decoded;
use super::retry::{Tries, retry_after};
use super::{Connections, Endpoint, Failure, Identities, IoThread, Scope, Session};
use crate::transport::registry::credential::Credential;
use crate::transport::registry::error::redact;
use crate::transport::registry::{Limits, RegistryError, Settings, TooSlow, credentials};

const REDIRECT_LIMIT: usize = 10;
/// How much of an error's body is read.
const ERROR_LIMIT: u64 = 64 << 10;
/// A mirror that is down should not cost much: there is an alternative.
const MIRROR_TRIES: u32 = 2;

/// The state shared by all requests: connections, tokens, settings.
pub struct Service {
    pub io: IoThread,
    pub settings: Settings,
    pub connections: Connections,
    sessions: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Session>>>>,
    /// Used instead of the user's files, by `login`.
    credential: Option<Credential>,
    identities: Identities,
}

/// A repeatable request.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub scopes: Vec<Scope>,
    pub name: String,
    pub blob: Option<String>,
    /// The time limit for the response.
    pub patience: Duration,
}

/// A complete response.
pub struct Answer {
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Request {
    pub fn new(method: Method, url: Url, name: &str, scopes: &[Scope], limits: &Limits) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            scopes: scopes.to_vec(),
            name: name.to_owned(),
            blob: None,
            patience: limits.stall,
        }
    }

    pub fn blob(mut self, digest: impl ToString) -> Self {
        self.blob = Some(digest.to_string());
        self
    }

    pub fn accept(mut self, media_types: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(media_types) {
            self.headers.insert(ACCEPT, value);
        }
        self
    }

    /// Bytes from `start` up to, but not including, `end`.
    pub fn range(mut self, start: u64, end: Option<u64>) -> Self {
        let last = end.map(|end| (end.max(1) - 1).to_string()).unwrap_or_default();
        if let Ok(value) = HeaderValue::try_from(format!("bytes={start}-{last}")) {
            self.headers.insert(RANGE, value);
        }
        self
    }

    pub fn body(mut self, content_type: &str, body: Bytes) -> Self {
        if let Ok(value) = HeaderValue::from_str(content_type) {
            self.headers.insert(CONTENT_TYPE, value);
        }
        self.body = body;
        self
    }

    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn asked<'a>(&'a self, endpoint: &'a Endpoint) -> Asked<'a> {
        let method = method_name(&self.method);
        Asked { endpoint, method, url: self.url.as_str(), name: &self.name, blob: self.blob.as_deref() }
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

impl Service {
    pub fn new(settings: Settings, credential: Option<Credential>) -> Result<Self, RegistryError> {
        Ok(Self {
            io: IoThread::start()?,
            settings,
            connections: Connections::default(),
            sessions: Mutex::default(),
            credential,
            identities: Identities::default(),
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    pub fn session(&self, host: &str) -> Arc<tokio::sync::Mutex<Session>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.entry(host.to_owned()).or_default().clone()
    }

    pub fn find_credential(&self, endpoint: &Endpoint) -> Result<Credential, RegistryError> {
        match &self.credential {
            Some(credential) => Ok(credential.clone()),
            None => match credentials::find(&endpoint.host, &endpoint.repository, &self.settings)? {
                Credential::Anonymous if self.settings.credentials.is_none() => Ok(self.identities.of(&endpoint.host)),
                found => Ok(found),
            },
        }
    }

    pub fn tries(&self, endpoint: &Endpoint) -> Tries {
        let allowed = self.limits().tries;
        Tries::new(self.limits(), if endpoint.is_mirror { allowed.min(MIRROR_TRIES) } else { allowed })
    }

    /// Calls `action` until it succeeds, fails permanently, or has been tried often enough.
    pub async fn retry<T>(
        &self,
        endpoint: &Endpoint,
        mut action: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, RegistryError> {
        let mut tries = self.tries(endpoint);
        loop {
            match action().await {
                Ok(value) => return Ok(value),
                Err(failure) => {
                    let pause =
                        tries.failed(failure).map_err(|error| self.identities.explain(&endpoint.host, error))?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The request's successful response of at most `limit` bytes; `what` is its name in errors.
    pub async fn document(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        what: &'static str,
        limit: u64,
    ) -> Result<Answer, RegistryError> {
        self.retry(endpoint, async || {
            let response = self.attempt(endpoint, request).await?;
            let headers = response.headers().clone();
            let bytes = read_bounded(self, &request.asked(endpoint), what, response, limit).await?;
            Ok(Answer { headers, bytes })
        })
        .await
    }

    /// One try. Returns only successful responses.
    pub async fn attempt(&self, endpoint: &Endpoint, request: &Request) -> Result<Response, Failure> {
        let asked = request.asked(endpoint);
        let mut authorization = self.authorization(&asked, &request.scopes).await?;
        let mut challenges_left = 2;
        loop {
            let response = self.exchange(endpoint, request, authorization.as_ref()).await?;
            self.connections.note_answer(&endpoint.host, request.url.scheme());
            let is_own = authority(response.url()) == authority(&request.url);
            if response.status() != StatusCode::UNAUTHORIZED || challenges_left == 0 || !is_own {
                return self.judge(&asked, response).await;
            }
            challenges_left -= 1;
            let headers = response.headers().clone();
            // Read completely, so that the connection can be reused.
            let body = read_bounded(self, &asked, "an error", response, ERROR_LIMIT).await.unwrap_or_default();
            let refusal = Refusal { headers, body };
            let answer = self.answer_challenge(&asked, &refusal, &request.scopes, authorization.as_ref());
            authorization = Some(answer.await?);
        }
    }

    /// Turns everything but a success into an error.
    pub async fn judge(&self, asked: &Asked<'_>, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = retry_after(response.headers());
        let body = read_bounded(self, asked, "an error", response, ERROR_LIMIT).await.unwrap_or_default();
        Err(Failure::of_status(asked, status, &body, after))
    }

    /// Sends the request and follows redirects. Credentials are sent to the registry's own host only.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        for _ in 0..REDIRECT_LIMIT {
            let asked = Asked { url: url.as_str(), ..request.asked(endpoint) };
            let mut builder = self.http_for(&url)?.request(request.method.clone(), url.clone());
            builder = builder.headers(request.headers.clone());
            if let Some(value) = authorization.filter(|_| is_same_host(&url, &request.url)) {
                builder = builder.header(AUTHORIZATION, value.clone());
            }
            if !request.body.is_empty() || request.method == Method::PUT {
                builder = builder.body(request.body.clone());
            }
            let response = self.await_headers(&asked, request.patience, builder.send()).await?;
            let is_read = matches!(request.method, Method::GET | Method::HEAD);
            match response.headers().get(LOCATION) {
                Some(target) if is_read && response.status().is_redirection() => url = self.follow(&url, target)?,
                _ => return Ok(response),
            }
        }
        Err(Failure::Final(RegistryError::RedirectLoop { url: redact(request.url.as_str()) }))
    }

    fn follow(&self, from: &Url, target: &HeaderValue) -> Result<Url, Failure> {
        let url = target.to_str().ok().and_then(|target| from.join(target).ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| Failure::Final(RegistryError::RedirectLoop { url: redact(from.as_str()) }))?;
        if from.scheme() == "https" && url.scheme() == "http" && !self.allows_plain_http(&url) {
            return Err(Failure::Final(RegistryError::UnsafeRedirect { url: redact(from.as_str()) }));
        }
        Ok(url)
    }

    /// Waits for a response's head, but no longer than `patience`.
    pub async fn await_headers(
        &self,
        asked: &Asked<'_>,
        patience: Duration,
        sending: impl Future<Output = reqwest::Result<Response>>,
    ) -> Result<Response, Failure> {
        match tokio::time::timeout(patience, sending).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let answered = self.connections.answered(&asked.endpoint.host);
                Err(Failure::of_request(asked.endpoint, asked.method, error, answered))
            }
            Err(_) => Err(stalled(asked, patience)),
        }
    }
}

/// Whether secrets of the registry at `own` may be sent to `url`.
pub fn is_same_host(url: &Url, own: &Url) -> bool {
    authority(url) == authority(own) && url.scheme() == own.scheme()
}

pub fn stalled(asked: &Asked<'_>, patience: Duration) -> Failure {
    Failure::passing(RegistryError::Stalled {
        host: asked.endpoint.host.clone(),
        method: asked.method,
        url: redact(asked.url),
        seconds: patience.as_secs(),
    })
}

pub fn too_slow(asked: &Asked<'_>, slow: TooSlow) -> Failure {
    Failure::passing(RegistryError::TooSlow {
        host: asked.endpoint.host.clone(),
        method: asked.method,
        url: redact(asked.url),
        slowest: slow.slowest,
        seconds: slow.window.as_secs(),
    })
}

/// Reads a response's body. If it is longer than `limit`, that is an error before it is in memory.
pub async fn read_bounded(
    service: &Service,
    asked: &Asked<'_>,
    what: &'static str,
    mut response: Response,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::Final(RegistryError::TooLarge { name: asked.name.to_owned(), what, limit });
    if response.content_length().is_some_and(|length| length > limit) && asked.method != "HEAD" {
        return Err(too_large());
    }
    let stall = service.limits().stall;
    let mut pace = service.limits().pace();
    let mut bytes = Vec::new();
    loop {
        let asked_at = Instant::now();
        let chunk = tokio::time::timeout(stall, response.chunk()).await.map_err(|_| stalled(asked, stall))?;
        let host = asked.endpoint.host.clone();
        let broken = |source| Failure::passing(RegistryError::Broken { host, what: what.to_owned(), source });
        let Some(chunk) = chunk.map_err(|error| broken(error.without_url()))? else { break };
        pace.came(chunk.len() as u64, asked_at.elapsed()).map_err(|slow| too_slow(asked, slow))?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
    }
    let bytes = decoded(response.headers(), bytes, limit).map_err(|error| nonsense(asked, error.to_string()))?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

fn nonsense(asked: &Asked<'_>, reason: String) -> Failure {
    let (host, url) = (asked.endpoint.host.clone(), redact(asked.url));
    Failure::Final(RegistryError::BadAnswer { host, method: asked.method, url, reason })
}
