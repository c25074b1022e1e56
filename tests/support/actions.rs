//! GitHub Actions' cache, as much of its second service as is needed: Twirp calls, and Azure blobs with signed URLs.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::web::{Reply, Request, serve, unescape};

pub const TOKEN: &str = "runtime-token";
const CALLS: &str = "/twirp/github.actions.results.api.v1.CacheService/";

#[derive(Clone)]
pub struct TestActions {
    /// `http://127.0.0.1:PORT/`
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// Answers a request instead of the service.
pub type Gate = Box<dyn Fn(&Request) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    /// In the order in which they were finished: key, content.
    entries: Vec<(String, Vec<u8>)>,
    /// Started and not finished.
    open: HashMap<String, Vec<u8>>,
    blocks: HashMap<(String, String), Vec<u8>>,
    requests: Vec<Request>,
    gate: Option<Gate>,
}

impl TestActions {
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let address = serve(move |request| {
            let mut state = shared.lock().unwrap();
            state.requests.push(Request { body: Vec::new(), ..request.clone() });
            if let Some(reply) = state.gate.as_ref().and_then(|gate| gate(request)) {
                return reply;
            }
            match request.path.strip_prefix(CALLS) {
                Some(_) if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) => {
                    Reply::new(401, r#"{"code":"unauthenticated","msg":"who?"}"#)
                }
                Some(call) => state.call(call, &request.body, request.header("host").unwrap_or_default()),
                None => state.blob(request),
            }
        });
        Self { url: format!("http://{address}/"), state }
    }

    pub fn set_gate(&self, gate: impl Fn(&Request) -> Option<Reply> + Send + 'static) {
        self.state.lock().unwrap().gate = Some(Box::new(gate));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn forget(&self) {
        self.state.lock().unwrap().requests.clear();
    }

    pub fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().entries.iter().map(|(key, _)| key.clone()).collect()
    }

    /// As GitHub does with unused entries.
    pub fn evict(&self, key: &str) {
        self.state.lock().unwrap().entries.retain(|(known, _)| known != key);
    }

    pub fn put(&self, key: &str, content: &[u8]) {
        self.state.lock().unwrap().entries.push((key.to_owned(), content.to_vec()));
    }
}

impl State {
    fn call(&mut self, call: &str, body: &[u8], host: &str) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap();
        let key = body["key"].as_str().unwrap().to_owned();
        assert_eq!(body["version"].as_str().map(str::len), Some(64));
        let signed = |key: &str| format!("http://{host}/blobs/{}?sig=s%2Bg", key.replace('#', "%23"));
        let ok = |value: Value| Reply::new(200, value.to_string()).with("Content-Type", "application/json");
        match call {
            "CreateCacheEntry" => {
                if self.open.contains_key(&key) || self.entries.iter().any(|(known, _)| *known == key) {
                    return Reply::new(409, r#"{"code":"already_exists","msg":"cache entry already exists"}"#);
                }
                self.open.insert(key.clone(), Vec::new());
                ok(json!({"ok": true, "signed_upload_url": signed(&key)}))
            }
            "FinalizeCacheEntryUpload" => match self.open.remove(&key) {
                Some(content)
                    if body["size_bytes"].as_str().and_then(|size| size.parse().ok()) == Some(content.len()) =>
                {
                    self.entries.push((key, content));
                    ok(json!({"ok": true, "entry_id": "1"}))
                }
                _ => ok(json!({"ok": false, "message": "the size is another one"})),
            },
            "GetCacheEntryDownloadURL" => {
                let exact = self.entries.iter().find(|(known, _)| *known == key);
                let prefixes: Vec<&str> =
                    body["restore_keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let newest = |(known, _): &&(String, Vec<u8>)| prefixes.iter().any(|prefix| known.starts_with(prefix));
                match exact.or_else(|| self.entries.iter().rev().find(newest)) {
                    Some((found, _)) => {
                        ok(json!({"ok": true, "signed_download_url": signed(found), "matched_key": found}))
                    }
                    None => ok(json!({"ok": false, "signed_download_url": "", "matched_key": ""})),
                }
            }
            _ => Reply::new(404, r#"{"code":"bad_route","msg":"no such call"}"#),
        }
    }

    fn blob(&mut self, request: &Request) -> Reply {
        let key = unescape(request.path.trim_start_matches("/blobs/"));
        if request.field("sig").as_deref() != Some("s+g") || request.header("authorization").is_some() {
            return Reply::new(403, "<Error><Code>AuthenticationFailed</Code></Error>");
        }
        match (request.method.as_str(), request.field("comp").as_deref()) {
            ("PUT", Some("block")) => {
                self.blocks.insert((key, request.field("blockid").unwrap()), request.body.clone());
                Reply::new(201, "")
            }
            ("PUT", Some("blocklist")) => {
                let list = String::from_utf8_lossy(&request.body).into_owned();
                let ids = list.split("<Latest>").skip(1).filter_map(|rest| rest.split("</Latest>").next());
                let content: Vec<u8> =
                    ids.flat_map(|id| self.blocks.get(&(key.clone(), id.to_owned())).cloned().unwrap()).collect();
                self.open.insert(key, content);
                Reply::new(201, "")
            }
            ("PUT", None) if request.header("x-ms-blob-type") == Some("BlockBlob") => {
                self.open.insert(key, request.body.clone());
                Reply::new(201, "")
            }
            ("GET", None) => {
                let Some((_, content)) = self.entries.iter().find(|(known, _)| *known == key) else {
                    return Reply::new(404, "<Error><Code>BlobNotFound</Code></Error>");
                };
                let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
                let (start, end) = range.expect("only parts are read");
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                match content.get(start..content.len().min(end + 1)) {
                    Some(part) => Reply::new(206, part),
                    None => Reply::new(416, ""),
                }
            }
            _ => Reply::new(400, "<Error><Code>InvalidRequest</Code></Error>"),
        }
    }
}
