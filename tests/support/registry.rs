//! A registry in this process: blobs, manifests, uploads and mounts. It counts requests, and has faults on demand.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use rbuild::base::digest::BlobDigest;

use crate::web::{Reply, Request, serve};

/// Changes or replaces an answer.
pub type Fault = Box<dyn Fn(&Request, Reply) -> Reply + Send>;
/// Changes a request before it is handled, or answers it instead of the registry.
pub type Gate = Box<dyn Fn(&mut Request) -> Option<Reply> + Send>;

#[derive(Clone)]
pub struct TestRegistry {
    /// `127.0.0.1:PORT`
    pub address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By repository and digest.
    blobs: HashMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and content.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: HashMap<String, Vec<u8>>,
    requests: Vec<Request>,
    fault: Option<Fault>,
    gate: Option<Gate>,
}

impl TestRegistry {
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let address = serve(move |request| {
            let mut state = shared.lock().unwrap();
            state.requests.push(Request { body: Vec::new(), ..request.clone() });
            let mut request = request.clone();
            let reply = match state.gate.as_ref().and_then(|gate| gate(&mut request)) {
                Some(reply) => reply,
                None => state.answer(&request),
            };
            let request = &request;
            match &state.fault {
                Some(fault) => fault(request, reply),
                None => reply,
            }
        });
        Self { address, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `127.0.0.1:PORT/name`
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    pub fn set_fault(&self, fault: impl Fn(&Request, Reply) -> Reply + Send + 'static) {
        self.lock().fault = Some(Box::new(fault));
    }

    pub fn set_gate(&self, gate: impl Fn(&mut Request) -> Option<Reply> + Send + 'static) {
        self.lock().gate = Some(Box::new(gate));
    }

    /// All requests since the last `forget`, without bodies.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        let state = self.lock();
        let names = state.manifests.keys().filter(|(of, name)| of == repository && !name.contains(':'));
        names.map(|(_, name)| name.clone()).collect()
    }

    pub fn clear_fault(&self) {
        self.lock().fault = None;
    }

    /// How many requests with this method and this word in their path there were since the last `forget`.
    pub fn count(&self, method: &str, word: &str) -> usize {
        self.lock().requests.iter().filter(|request| request.method == method && request.path.contains(word)).count()
    }

    pub fn forget(&self) {
        self.lock().requests.clear();
    }

    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = BlobDigest::of(bytes).to_string();
        self.lock().blobs.insert((repository.to_owned(), digest.clone()), bytes.to_vec());
        digest
    }

    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let digest = BlobDigest::of(bytes).to_string();
        let mut state = self.lock();
        for name in [tag.to_owned(), digest] {
            state.manifests.insert((repository.to_owned(), name), (media_type.to_owned(), bytes.to_vec()));
        }
    }

    pub fn manifest(&self, repository: &str, tag: &str) -> Option<Vec<u8>> {
        self.lock().manifests.get(&(repository.to_owned(), tag.to_owned())).map(|(_, bytes)| bytes.clone())
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.lock().blobs.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.blob(repository, digest).is_some()
    }

    /// Removes the blobs of a repository that match.
    pub fn remove_blobs(&self, repository: &str, matches: impl Fn(&[u8]) -> bool) {
        self.lock().blobs.retain(|(of, _), bytes| of != repository || !matches(bytes));
    }

    /// Imports an image from a folder in OCI layout, and returns the total size of its layers.
    pub fn load_layout(&self, folder: &std::path::Path, repository: &str, tag: &str) {
        let blob = |digest: &str| std::fs::read(folder.join("blobs").join(digest.replace(':', "/"))).unwrap();
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
        let mut descriptor = index["manifests"][0].clone();
        let mut bytes = blob(descriptor["digest"].as_str().unwrap());
        let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        if let Some(first) = manifest["manifests"].as_array().map(|inner| inner[0].clone()) {
            descriptor = first;
            bytes = blob(descriptor["digest"].as_str().unwrap());
            manifest = serde_json::from_slice(&bytes).unwrap();
        }
        let layers = manifest["layers"].as_array().unwrap();
        for part in layers.iter().chain([&manifest["config"]]) {
            self.put_blob(repository, &blob(part["digest"].as_str().unwrap()));
        }
        self.put_manifest(repository, tag, descriptor["mediaType"].as_str().unwrap(), &bytes);
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let Some(rest) = request.path.strip_prefix("/v2/") else { return Reply::new(404, "") };
        if rest.is_empty() {
            return Reply::new(200, "{}");
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/sha256:") {
            return self.get_blob(repository, &format!("sha256:{digest}"), request);
        }
        if let Some((repository, id)) = rest.split_once("/blobs/uploads/") {
            return self.upload(repository, id, request);
        }
        if rest == "_catalog" {
            let names: std::collections::BTreeSet<&String> = self.manifests.keys().map(|(name, _)| name).collect();
            return Reply::new(200, serde_json::json!({"repositories": names}).to_string());
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            let names = self.manifests.keys().filter(|(of, name)| of == repository && !name.contains(':'));
            let names: Vec<&String> = names.map(|(_, name)| name).collect();
            return Reply::new(200, serde_json::json!({"name": repository, "tags": names}).to_string());
        }
        if let Some((repository, name)) = rest.split_once("/manifests/") {
            return self.manifest(repository, name, request);
        }
        Reply::new(404, "")
    }

    fn get_blob(&self, repository: &str, digest: &str, request: &Request) -> Reply {
        let Some(bytes) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
            return Reply::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#);
        };
        let start =
            request.header("range").and_then(|text| text.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
        match start {
            Some(start) if start >= bytes.len() => Reply::new(416, r#"{"errors":[{"code":"RANGE_INVALID"}]}"#),
            Some(start) => {
                let bytes = bytes.get(start..).unwrap_or_default().to_vec();
                let range = format!("bytes {start}-{}/{}", start + bytes.len().max(1) - 1, start + bytes.len());
                Reply::new(206, bytes).with("Content-Range", range)
            }
            None => Reply::new(200, bytes.clone())
                .with("Docker-Content-Digest", digest)
                .with("Content-Length", bytes.len())
                .with("Content-Type", "application/octet-stream"),
        }
    }

    fn upload(&mut self, repository: &str, id: &str, request: &Request) -> Reply {
        let at = |id: &str| format!("/v2/{repository}/blobs/uploads/{id}");
        if request.method == "POST" {
            if let (Some(digest), Some(from)) = (request.field("mount"), request.field("from"))
                && let Some(bytes) = self.blobs.get(&(from, digest.clone())).cloned()
            {
                self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                return Reply::new(201, "").with("Location", format!("/v2/{repository}/blobs/{digest}"));
            }
            let id = format!("u{}", self.requests.len());
            self.uploads.insert(id.clone(), request.body.clone());
            if let Some(digest) = request.field("digest") {
                return self.finish_upload(repository, &id, &digest);
            }
            return Reply::new(202, "").with("Location", at(&id)).with("Docker-Upload-UUID", &id).with("Range", "0-0");
        }
        let Some(received) = self.uploads.get_mut(id) else { return Reply::new(404, "") };
        received.extend_from_slice(&request.body);
        let end = received.len().max(1) - 1;
        match (request.method.as_str(), request.field("digest")) {
            ("PUT", Some(digest)) => self.finish_upload(repository, id, &digest),
            ("DELETE", _) => Reply::new(204, ""),
            ("GET", _) => Reply::new(204, "").with("Location", at(id)).with("Range", format!("0-{end}")),
            _ => Reply::new(202, "").with("Location", at(id)).with("Range", format!("0-{end}")),
        }
    }

    fn finish_upload(&mut self, repository: &str, id: &str, digest: &str) -> Reply {
        let bytes = self.uploads.remove(id).unwrap_or_default();
        if BlobDigest::of(&bytes).to_string() != digest {
            return Reply::new(400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
        }
        self.blobs.insert((repository.to_owned(), digest.to_owned()), bytes);
        Reply::new(201, "")
            .with("Location", format!("/v2/{repository}/blobs/{digest}"))
            .with("Docker-Content-Digest", digest)
    }

    fn manifest(&mut self, repository: &str, name: &str, request: &Request) -> Reply {
        if request.method == "PUT" {
            return self.put_manifest(repository, name, request);
        }
        match self.manifests.get(&(repository.to_owned(), name.to_owned())) {
            Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                .with("Content-Type", media_type)
                .with("Content-Length", bytes.len())
                .with("Docker-Content-Digest", BlobDigest::of(bytes)),
            None => Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        }
    }

    /// Like other registries, refuses a manifest that names missing blobs.
    fn put_manifest(&mut self, repository: &str, name: &str, request: &Request) -> Reply {
        let digest = BlobDigest::of(&request.body).to_string();
        let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let layers = document["layers"].as_array().cloned().unwrap_or_default();
        for part in layers.iter().chain(document.get("config")) {
            let part = part["digest"].as_str().unwrap_or_default().to_owned();
            if !self.blobs.contains_key(&(repository.to_owned(), part)) {
                return Reply::new(400, r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#);
            }
        }
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        for name in [name.to_owned(), digest.clone()] {
            self.manifests.insert((repository.to_owned(), name), (media_type.clone(), request.body.clone()));
        }
        Reply::new(201, "")
            .with("Location", format!("/v2/{repository}/manifests/{digest}"))
            .with("Docker-Content-Digest", digest)
    }
}
