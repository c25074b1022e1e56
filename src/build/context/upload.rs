//! Uploads a small text to an http(s) address that a bucket's owner signed.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use super::http::HttpError;
use crate::base::io_error::AtPath as _;
use crate::base::redaction;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(120);

/// Uploads the bytes, as `text/plain`.
pub fn put(url: &str, bytes: &[u8]) -> Result<(), HttpError> {
    // Another part of the program may have installed the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Its query is a secret.
    let place = url.split('?').next().unwrap_or(url);
    let shown = || redaction::in_text(place).into_owned();
    let broken = |source: reqwest::Error| HttpError::Upload { url: shown(), source: source.without_url() };
    let client = Client::builder()
        .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .build()
        .map_err(broken)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.at("start", "the network client")?;
    let sent = runtime
        .block_on(async { client.put(url).header(CONTENT_TYPE, "text/plain").body(bytes.to_vec()).send().await });
    let status = sent.map_err(broken)?.status();
    if status.is_success() { Ok(()) } else { Err(HttpError::UploadStatus { url: shown(), status: status.as_u16() }) }
}
