//! The requests: Twirp for entries, Azure for their content.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RANGE, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::entry::{Head, LINE};
use super::staged::Staged;
use super::{ActionsError, ActionsOptions};
use crate::build::remote_cache::body::body_reader;

const CALLS: &str = "twirp/github.actions.results.api.v1.CacheService";
/// The version of rbuild's entries: others with the same key are ignored.
const VERSION: &str = "rbuild-cache-1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// The longest pause on GitHub's request.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: u64 = 1 << 20;
const MESSAGE_LIMIT: usize = 300;
/// The size of the first read of an entry; most heads are shorter.
const FIRST_READ: u64 = 256 << 10;
/// Entries up to this size are sent in one request, longer ones in blocks of this size.
const BLOCK: usize = 32 << 20;

pub struct Service {
    http: Client,
    runtime: Arc<Runtime>,
    calls: String,
    token: String,
}

pub struct Found {
    pub key: String,
    /// Signed, and valid for a few minutes.
    pub address: String,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    signed_upload_url: String,
}

#[derive(Deserialize)]
struct Finished {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct LookedUp {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    signed_download_url: String,
    #[serde(default)]
    matched_key: String,
}

impl Service {
    pub fn new(options: &ActionsOptions) -> Result<Self, ActionsError> {
        let url = Url::parse(&options.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| ActionsError::Address { text: options.url.clone() })?;
        // Two dependencies could each choose a provider, so neither does; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.timeout)
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ActionsError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.map_err(ActionsError::Runtime)?);
        let calls = format!("{}/{CALLS}", url.as_str().trim_end_matches('/'));
        Ok(Self { http, runtime, calls, token: options.token.clone() })
    }

    /// The newest entry whose key has this prefix.
    pub fn newest(&self, prefix: &str) -> Result<Option<Found>, ActionsError> {
        self.look_up(prefix, &[prefix])
    }

    pub fn exactly(&self, key: &str) -> Result<Option<Found>, ActionsError> {
        Ok(self.look_up(key, &[])?.filter(|found| found.key == key))
    }

    fn look_up(&self, key: &str, restore_keys: &[&str]) -> Result<Option<Found>, ActionsError> {
        let body = json!({"key": key, "restore_keys": restore_keys, "version": version()});
        let found: Option<LookedUp> = self.call("GetCacheEntryDownloadURL", &body)?;
        let found = found.filter(|found| found.ok && !found.signed_download_url.is_empty());
        Ok(found.map(|found| Found { key: found.matched_key, address: found.signed_download_url }))
    }

    /// The upload address of a new entry; `None` if the key exists.
    pub fn create(&self, key: &str) -> Result<Option<String>, ActionsError> {
        let created: Option<Created> = self.call("CreateCacheEntry", &json!({"key": key, "version": version()}))?;
        Ok(created.filter(|created| created.ok).map(|created| created.signed_upload_url))
    }

    pub fn finish(&self, key: &str, size: u64) -> Result<(), ActionsError> {
        let body = json!({"key": key, "size_bytes": size.to_string(), "version": version()});
        let finished: Option<Finished> = self.call("FinalizeCacheEntryUpload", &body)?;
        match finished {
            Some(Finished { ok: true, .. }) => Ok(()),
            other => {
                let message = other.map(|finished| finished.message).filter(|message| !message.is_empty());
                let message = message.unwrap_or_else(|| "no reason is given".to_owned());
                Err(ActionsError::Refused { key: key.to_owned(), message })
            }
        }
    }

    /// The response; `None` if it says that the entry does not exist, or already exists.
    fn call<T: DeserializeOwned>(&self, what: &'static str, body: &Value) -> Result<Option<T>, ActionsError> {
        let request = || {
            let request = self.http.post(format!("{}/{what}", self.calls)).header(CONTENT_TYPE, "application/json");
            request.header(AUTHORIZATION, format!("Bearer {}", self.token)).body(body.to_string())
        };
        let response = self.send(what, &request)?;
        if matches!(response.status().as_u16(), 404 | 409) {
            return Ok(None);
        }
        let text = self.text(what, response)?;
        serde_json::from_slice(&text).map(Some).map_err(|error| ActionsError::BadAnswer {
            what,
            reason: format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column()),
        })
    }

    /// Sends the request, with retries; returns a successful response, or one with status 404 or 409.
    fn send(
        &self,
        what: &'static str,
        request: &dyn Fn() -> reqwest::RequestBuilder,
    ) -> Result<Response, ActionsError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let is_last = attempt >= TRIES;
            let sent = self.runtime.block_on(async { request().send().await });
            let response = match sent {
                Ok(response) => response,
                Err(_) if !is_last => {
                    std::thread::sleep(pause);
                    pause *= 2;
                    continue;
                }
                Err(source) => return Err(ActionsError::Unreachable { what, source: source.without_url() }),
            };
            let status = response.status();
            if status.is_success() || matches!(status.as_u16(), 404 | 409) {
                return Ok(response);
            }
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let wanted = asked.map_or(pause, Duration::from_secs);
            let may_pass = status.is_server_error() || status.as_u16() == 429;
            if may_pass && !is_last && wanted <= LONGEST_PAUSE {
                std::thread::sleep(wanted);
                pause *= 2;
                continue;
            }
            let message = message(&self.text(what, response).unwrap_or_default());
            let status = status.as_u16();
            return Err(match status {
                429 => ActionsError::Limited { what, message },
                _ => ActionsError::Status { what, status, message },
            });
        }
        unreachable!("the loop ends with the last try")
    }

    fn text(&self, what: &'static str, response: Response) -> Result<Vec<u8>, ActionsError> {
        let mut bytes = Vec::new();
        let read = body_reader(&self.runtime, response).take(ANSWER_LIMIT).read_to_end(&mut bytes);
        read.map_err(|error| ActionsError::BadAnswer { what, reason: error.to_string() })?;
        Ok(bytes)
    }

    /// Reads an entry's head; also returns the offset of its blobs.
    pub fn head(&self, address: &str, limit: u64) -> Result<(Head, u64), ActionsError> {
        let what = "reading an entry";
        let wrong = |reason: &str| ActionsError::BadAnswer { what, reason: reason.to_owned() };
        let mut bytes = self.range(address, 0, FIRST_READ)?;
        let length = Head::length(&bytes).ok_or_else(|| wrong("it is not an entry that rbuild wrote"))?;
        // The list of blobs is about as long as the manifest that refers to them.
        if length > 4 * limit {
            return Err(wrong("its head is too long"));
        }
        let start = LINE as u64 + length;
        if (bytes.len() as u64) < start {
            bytes.extend(self.range(address, bytes.len() as u64, start - bytes.len() as u64)?);
        }
        let head = bytes.get(LINE..usize::try_from(start).unwrap_or(usize::MAX));
        let head = head.ok_or_else(|| wrong("it ends within its head"))?;
        let head = serde_json::from_slice(head).map_err(|_| wrong("its head cannot be read"))?;
        Ok((head, start))
    }

    fn range(&self, address: &str, offset: u64, length: u64) -> Result<Vec<u8>, ActionsError> {
        let mut bytes = Vec::new();
        let read = self.open(address, offset, length)?.read_to_end(&mut bytes);
        read.map_err(|error| ActionsError::BadAnswer { what: "reading an entry", reason: error.to_string() })?;
        Ok(bytes)
    }

    /// Reads a range of an entry; less if the entry is shorter.
    pub fn open(&self, address: &str, offset: u64, length: u64) -> Result<Box<dyn Read + Send>, ActionsError> {
        let end = offset.saturating_add(length).saturating_sub(1);
        let request = || self.http.get(address).header(RANGE, format!("bytes={offset}-{end}"));
        let what = "reading an entry";
        let response = self.send(what, &request)?;
        match response.status().as_u16() {
            206 => Ok(Box::new(body_reader(&self.runtime, response).take(length))),
            // The server sent the whole entry.
            200 => {
                let mut reader = body_reader(&self.runtime, response);
                let skipped = std::io::copy(&mut reader.by_ref().take(offset), &mut std::io::sink());
                skipped.map_err(|error| ActionsError::BadAnswer { what, reason: error.to_string() })?;
                Ok(Box::new(reader.take(length)))
            }
            status => Err(ActionsError::Status { what, status, message: "there is no such entry".to_owned() }),
        }
    }

    /// Uploads an entry, and returns its length.
    pub fn upload(&self, address: &str, start: &[u8], staged: &mut Staged) -> Result<u64, ActionsError> {
        let length = start.len() as u64 + staged.length();
        if length <= BLOCK as u64 {
            let mut bytes = start.to_vec();
            bytes.extend(staged.piece(0, usize::try_from(staged.length()).unwrap_or(usize::MAX))?);
            self.put(address, &[("x-ms-blob-type", "BlockBlob")], bytes)?;
            return Ok(length);
        }
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        let mut send = |number: u64, bytes: Vec<u8>| {
            let id = STANDARD.encode(format!("{number:016}"));
            list.push_str(&format!("<Latest>{id}</Latest>"));
            let id = id.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
            self.put(&with_query(address, &format!("comp=block&blockid={id}")), &[], bytes)
        };
        send(0, start.to_vec())?;
        let (mut offset, mut number) = (0, 1);
        while offset < staged.length() {
            let count = (staged.length() - offset).min(BLOCK as u64);
            send(number, staged.piece(offset, usize::try_from(count).unwrap_or(BLOCK))?)?;
            (offset, number) = (offset + count, number + 1);
        }
        list.push_str("</BlockList>");
        self.put(&with_query(address, "comp=blocklist"), &[], list.into_bytes())?;
        Ok(length)
    }

    fn put(&self, address: &str, headers: &[(&str, &str)], bytes: Vec<u8>) -> Result<(), ActionsError> {
        let bytes = bytes::Bytes::from(bytes);
        let request = || {
            let request = self.http.request(Method::PUT, address).header("x-ms-version", "2023-11-03");
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(bytes.clone())
        };
        let what = "sending an entry";
        let response = self.send(what, &request)?;
        match response.status().is_success() {
            true => Ok(()),
            false => {
                let status = response.status().as_u16();
                let message = message(&self.text(what, response).unwrap_or_default());
                Err(ActionsError::Status { what, status, message })
            }
        }
    }
}

fn version() -> String {
    use sha2::{Digest as _, Sha256};
    crate::base::hex::encode(&Sha256::digest(VERSION.as_bytes()))
}

fn with_query(address: &str, query: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}")
}

/// The error message of Twirp or Azure.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let document: Option<Value> = serde_json::from_str(&text).ok();
    let said = document.as_ref().and_then(|document| document.get("msg")?.as_str().map(str::to_owned));
    let said: String = said.unwrap_or_else(|| text.into_owned());
    let said: String = said.chars().filter(|character| !character.is_control()).take(MESSAGE_LIMIT).collect();
    if said.is_empty() { "no reason is given".to_owned() } else { said }
}
