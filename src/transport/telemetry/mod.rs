//! Sends traces to a collector: OTLP over HTTP with JSON (opentelemetry.io/docs/specs/otlp). One request with a time
//! limit and without retries: no build depends on it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

use crate::base::redaction;

/// The destination of traces.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The URL of the traces endpoint: `http://host:4318/v1/traces`.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// The limit for the whole request.
    pub timeout: Duration,
    /// Certificate authorities besides the system's, in PEM.
    pub authority: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("cannot send the trace to `{url}`")]
    Send {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the trace was refused by `{url}`: {status}")]
    Refused { url: String, status: u16 },
    #[error("`{name}` is not a header")]
    Header { name: String },
    #[error("cannot start the network client")]
    Start(#[source] std::io::Error),
}

impl Collector {
    /// Sends an `ExportTraceServiceRequest`.
    pub fn send(&self, trace: &serde_json::Value) -> Result<(), TelemetryError> {
        // Another part of the program may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = redaction::in_text(&self.url).into_owned();
        let failed = |source: reqwest::Error| TelemetryError::Send { url: url.clone(), source: source.without_url() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(TelemetryError::Start)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            // Headers may contain secrets.
            .redirect(Policy::none())
            .timeout(self.timeout);
        if let Some(authority) = &self.authority {
            for certificate in reqwest::Certificate::from_pem_bundle(authority).map_err(failed)? {
                builder = builder.tls_certs_merge([certificate]);
            }
        }
        let client = builder.build().map_err(failed)?;
        let request = client.post(&self.url).headers(self.header_map()?).body(trace.to_string());
        let response = runtime.block_on(async { request.send().await }).map_err(failed)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(TelemetryError::Refused { url, status: status.as_u16() }),
        }
    }

    fn header_map(&self) -> Result<HeaderMap, TelemetryError> {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in &self.headers {
            let wrong = || TelemetryError::Header { name: name.clone() };
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
        }
        Ok(headers)
    }
}
