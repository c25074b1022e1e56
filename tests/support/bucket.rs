//! A server that speaks as much of S3 as a cache needs, and checks every signature (AWS Signature Version 4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::web::{Reply, Request, serve};

pub const KEY_ID: &str = "AKIDTEST";
pub const SECRET: &str = "very/secret+key";

#[derive(Clone)]
pub struct TestBucket {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    objects: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl TestBucket {
    pub fn start() -> Self {
        let objects: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
        let shared = objects.clone();
        let address = serve(move |request| match refusal(request) {
            Some(why) => Reply::new(403, format!("<Error><Code>{why}</Code><Message>refused</Message></Error>")),
            None => answer(request, &mut shared.lock().unwrap()),
        });
        Self { endpoint: format!("http://{address}"), objects }
    }

    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.objects.lock().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }
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

/// Why S3 would not take the request.
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
