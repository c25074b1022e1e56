//! What went wrong with one try, and whether another one may help.

use std::error::Error;
use std::io;
use std::time::Duration;

use oci_client::errors::OciEnvelope;
use reqwest::StatusCode;

use super::Endpoint;
use super::request::Asked;
use crate::registry::RegistryError;
use crate::registry::error::{redact, shorten};

#[derive(Debug)]
pub enum Failure {
    /// May be over in a while; the registry may have said when.
    Passing {
        error: RegistryError,
        after: Option<Duration>,
    },
    Final(RegistryError),
}

impl Failure {
    pub fn passing(error: RegistryError) -> Self {
        Self::Passing { error, after: None }
    }

    /// A request that got no answer.
    pub fn of_request(
        endpoint: &Endpoint,
        method: &'static str,
        source: reqwest::Error,
        answered_before: bool,
    ) -> Self {
        let host = endpoint.host.clone();
        let url = source.url().map(|url| redact(url.as_str())).unwrap_or_default();
        let is_final = source.is_builder() || (source.is_connect() && !answered_before && is_hopeless(&source));
        let untrusted = tls_error(&source).is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
        let source = source.without_url();
        if untrusted {
            return Self::Final(RegistryError::Untrusted { host, source });
        }
        let error = RegistryError::Unreachable { host, method, url, source };
        if is_final { Self::Final(error) } else { Self::passing(error) }
    }

    /// An answer that is no success.
    pub fn of_status(asked: &Asked<'_>, status: StatusCode, body: &[u8], after: Option<Duration>) -> Self {
        let host = asked.endpoint.host.clone();
        let name = asked.name.to_owned();
        let error = RegistryError::Status {
            method: asked.method,
            url: redact(asked.url),
            status: status.as_u16(),
            message: message_of(body),
        };
        match status.as_u16() {
            404 => Self::Final(match asked.blob {
                Some(digest) => RegistryError::NoBlob { host, name, digest: digest.to_owned() },
                None => RegistryError::NotFound { host, name, nearest: Vec::new() },
            }),
            401 | 403 => Self::Final(RegistryError::Denied { host, name }),
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Self::Passing { error, after },
            _ => Self::Final(error),
        }
    }
}

/// What a registry says in an error's body, in its own words.
fn message_of(body: &[u8]) -> String {
    match serde_json::from_slice::<OciEnvelope>(body) {
        Ok(envelope) if !envelope.errors.is_empty() => {
            let messages = envelope.errors.iter().map(|error| match error.message.as_str() {
                "" => format!("{:?}", error.code),
                message => message.to_owned(),
            });
            shorten(&messages.collect::<Vec<_>>().join("; "))
        }
        _ => shorten(&String::from_utf8_lossy(body)),
    }
}

/// The error of TLS within, if it is one.
pub fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    tls_error_within(error.source()?)
}

fn tls_error_within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // The source of an error of I/O is what its inner error comes from, not the inner error.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    tls_error_within(inner.map(|inner| inner as _).or(error.source())?)
}

/// A name that does not exist, a port where nobody listens: nothing that passes, unless it worked a moment ago.
fn is_hopeless(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
        {
            return false;
        }
        next = cause.source();
    }
    true
}
