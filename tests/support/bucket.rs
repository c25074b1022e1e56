//! A server with as much of S3 as a cache needs; it checks every signature (AWS Signature Version 4).
#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::web::{Reply, Request, serve};

pub const KEY_ID: &str = "AKIDTEST";
pub const SECRET: &str = "very/secret+key";

#[derive(Clone)]
pub struct TestBucket {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Vec<u8>>,
    /// Multipart uploads by ID: the object, and the parts by number.
    uploads: HashMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    requests: Vec<Request>,
    gate: Option<Gate>,
}

/// Answers a request instead of the bucket.
pub type Gate = Box<dyn Fn(&Request) -> Option<Reply> + Send>;

/// The minimum size of all parts but the last.
const SMALLEST_PART: usize = 5 << 20;

impl TestBucket {
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let address = serve(move |request| {
            let refusal = refusal(request);
            let mut state = shared.lock().unwrap();
            state.requests.push(Request { body: Vec::new(), ..request.clone() });
            if let Some(reply) = state.gate.as_ref().and_then(|gate| gate(request)) {
                return reply;
            }
            match refusal {
                Some(why) => Reply::new(403, format!("<Error><Code>{why}</Code><Message>refused</Message></Error>")),
                None if request.query.contains("upload") => state.part(request),
                None => answer(request, &mut state.objects),
            }
        });
        Self { endpoint: format!("http://{address}"), state }
    }

    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.state.lock().unwrap().objects.keys().cloned().collect();
        keys.sort();
        keys
    }

    pub fn set_gate(&self, gate: impl Fn(&Request) -> Option<Reply> + Send + 'static) {
        self.state.lock().unwrap().gate = Some(Box::new(gate));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many uploads were started and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }
}

impl State {
    /// Requests of a multipart upload.
    fn part(&mut self, request: &Request) -> Reply {
        let none = || Reply::new(404, "<Error><Code>NoSuchUpload</Code></Error>");
        let id = request.field("uploadId").unwrap_or_default();
        match (request.method.as_str(), request.field("partNumber")) {
            ("POST", _) if id.is_empty() => {
                let id = format!("id/{}=", self.requests.len());
                self.uploads.insert(id.clone(), (request.path.clone(), BTreeMap::new()));
                Reply::new(
                    200,
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
                )
            }
            ("PUT", Some(number)) => match self.uploads.get_mut(&id) {
                Some((_, parts)) => {
                    parts.insert(number.parse().unwrap(), request.body.clone());
                    Reply::new(200, "").with("ETag", tag(&request.body))
                }
                None => none(),
            },
            ("POST", None) => self.join(&id, &String::from_utf8_lossy(&request.body)).unwrap_or_else(none),
            ("DELETE", _) => self.uploads.remove(&id).map_or_else(none, |_| Reply::new(204, "")),
            _ => Reply::new(400, "<Error><Code>InvalidRequest</Code></Error>"),
        }
    }

    fn join(&mut self, id: &str, list: &str) -> Option<Reply> {
        let (path, parts) = self.uploads.get(id)?;
        let expected: String = parts
            .iter()
            .map(|(number, bytes)| {
                let tag = tag(bytes).replace('"', "&quot;");
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
            })
            .collect();
        let is_right = list == format!("<CompleteMultipartUpload>{expected}</CompleteMultipartUpload>");
        let is_large = parts.values().rev().skip(1).all(|part| part.len() >= SMALLEST_PART);
        if !is_right || !is_large {
            return Some(Reply::new(200, "<Error><Code>InvalidPart</Code></Error>"));
        }
        let whole = parts.values().flatten().copied().collect();
        self.objects.insert(path.clone(), whole);
        self.uploads.remove(id);
        Some(Reply::new(200, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"))
    }
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(&Sha256::digest(bytes))[..32])
}

fn answer(request: &Request, objects: &mut HashMap<String, Vec<u8>>) -> Reply {
    match (request.method.as_str(), objects.get(&request.path)) {
        ("PUT", _) => {
            objects.insert(request.path.clone(), request.body.clone());
            Reply::new(200, "")
        }
        (_, Some(bytes)) => Reply::new(200, bytes.clone()).with("Content-Length", bytes.len()),
        (_, None) => Reply::new(404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"),
    }
}

/// Why S3 would reject the request.
fn refusal(request: &Request) -> Option<&'static str> {
    let payload = request.header("x-amz-content-sha256")?;
    if payload != hex(&Sha256::digest(&request.body)) {
        return Some("XAmzContentSHA256Mismatch");
    }
    let Some(authorization) = request.header("authorization") else { return Some("AccessDenied") };
    let field = |name: &str| {
        let rest = authorization.split_once(&format!("{name}="))?.1;
        Some(rest.split(',').next()?.trim().to_owned())
    };
    let (Some(credential), Some(names), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return Some("AuthorizationHeaderMalformed");
    };
    let Some((id, scope)) = credential.split_once('/') else { return Some("InvalidAccessKeyId") };
    if id != KEY_ID {
        return Some("InvalidAccessKeyId");
    }
    let headers: String =
        names.split(';').map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default())).collect();
    let canonical = format!("{}\n{}\n{}\n{headers}\n{names}\n{payload}", request.method, request.path, request.query);
    let time = request.header("x-amz-date").unwrap_or_default();
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    (hex(&hmac(&key, text.as_bytes())) != signature).then_some("SignatureDoesNotMatch")
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut padded = key.to_vec();
    padded.resize(64, 0);
    let pad = |byte: u8| padded.iter().map(|key| key ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
