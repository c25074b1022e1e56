//! Clients for hosts: their scheme, trusted certificates, proxies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
use reqwest::{StatusCode, Url};

use super::endpoint::is_loopback;
use super::{Asked, Endpoint, Failure, Service, trust};
use crate::transport::registry::{RegistryError, Settings};

/// The state of hosts that were contacted.
#[derive(Default)]
pub struct Connections {
    /// By scheme and authority.
    clients: Mutex<HashMap<(String, String), reqwest::Client>>,
    schemes: Mutex<HashMap<String, &'static str>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    /// Whether the registry has responded before: then a failure is worth a retry.
    pub fn answered(&self, host: &str) -> bool {
        lock(&self.schemes).contains_key(host)
    }

    pub fn note_answer(&self, host: &str, scheme: &str) {
        let scheme = if scheme == "http" { "http" } else { "https" };
        lock(&self.schemes).insert(host.to_owned(), scheme);
    }
}

impl Service {
    /// The client for the URL's host.
    pub fn http_for(&self, url: &Url) -> Result<reqwest::Client, Failure> {
        let key = (url.scheme().to_owned(), authority(url));
        if let Some(client) = lock(&self.connections.clients).get(&key) {
            return Ok(client.clone());
        }
        let client = build(&self.settings, &key.0, &key.1).map_err(Failure::Final)?;
        lock(&self.connections.clients).insert(key, client.clone());
        Ok(client)
    }

    /// Whether secrets may be sent to the URL over plain HTTP.
    pub fn allows_plain_http(&self, url: &Url) -> bool {
        is_insecure(&self.settings, &authority(url))
    }

    /// The registry's scheme. Where plain HTTP is allowed, it has to be probed.
    pub async fn scheme(&self, endpoint: &Endpoint) -> Result<&'static str, Failure> {
        if !endpoint.insecure || !is_insecure(&self.settings, &endpoint.host) {
            return Ok("https");
        }
        if let Some(scheme) = lock(&self.connections.schemes).get(&endpoint.host) {
            return Ok(*scheme);
        }
        let schemes = if is_loopback(&endpoint.host) { ["http", "https"] } else { ["https", "http"] };
        let mut first_failure = None;
        let mut refused_http = false;
        for scheme in schemes {
            let url = endpoint.url(scheme, "").map_err(Failure::Final)?;
            let asked = Asked { endpoint, method: "GET", url: url.as_str(), name: &endpoint.repository, blob: None };
            let request = self.http_for(&url)?.get(url.clone()).send();
            match self.await_headers(&asked, self.limits().stall, request).await {
                // The response of Go's TLS servers to plain HTTP.
                Ok(response) if scheme == "http" && response.status() == StatusCode::BAD_REQUEST => refused_http = true,
                Ok(_) => {
                    self.connections.note_answer(&endpoint.host, scheme);
                    return Ok(scheme);
                }
                Err(failure) => {
                    first_failure.get_or_insert(failure);
                }
            }
        }
        match first_failure {
            // It requires TLS, which failed for now.
            Some(failure @ Failure::Passing { .. }) => Err(failure),
            Some(Failure::Final(error)) if refused_http && !matches!(error, RegistryError::Untrusted { .. }) => {
                Ok("http")
            }
            Some(failure) => Err(failure),
            None => Err(unreachable_host(endpoint)),
        }
    }
}

fn unreachable_host(endpoint: &Endpoint) -> Failure {
    Failure::Final(RegistryError::BadAnswer {
        host: endpoint.host.clone(),
        method: "GET",
        url: endpoint.host.clone(),
        reason: "it speaks neither TLS nor HTTP".to_owned(),
    })
}

/// Host and port as in a URL.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_insecure(settings: &Settings, host: &str) -> bool {
    settings.registries.is_insecure(host) || (is_loopback(host) && settings.certificates_for(host).is_none())
}

fn build(settings: &Settings, scheme: &str, host: &str) -> Result<reqwest::Client, RegistryError> {
    // Two of our dependencies could each choose a provider, so neither does; a second call has no effect.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Otherwise a proxy may choose any encoding.
    let plain = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
    let mut builder = reqwest::Client::builder()
        .default_headers(plain.into_iter().collect())
        .connect_timeout(settings.limits.connect)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")));
    if is_loopback(host) {
        // As in Go: a proxy's loopback is not this machine's.
        builder = builder.no_proxy();
    }
    // Plain HTTP needs no certificates, and must work on machines that have none.
    if scheme == "http" || is_insecure(settings, host) {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(certificates) = settings.trusted_for(host) {
        builder = builder.tls_backend_preconfigured(trust::client_config(&certificates)?);
    }
    builder.build().map_err(RegistryError::Client)
}
