//! Why one try failed, and whether a retry may help.

use std::error::Error;
use std::io;
use std::time::Duration;

use oci_client::errors::{OciEnvelope, OciError, OciErrorCode};
use reqwest::StatusCode;

use super::Endpoint;
use super::asked::Asked;
use crate::transport::registry::RegistryError;
use crate::transport::registry::error::{redact, shorten};

#[derive(Debug)]
pub enum Failure {
    /// Temporary; the registry may have said for how long.
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

    /// A request without a response.
    pub fn of_request(
        endpoint: &Endpoint,
        method: &'static str,
        source: reqwest::Error,
        answered_before: bool,
    ) -> Self {
        let host = endpoint.host.clone();
        let url = source.url().map(|url| redact(url.as_str())).unwrap_or_default();
        let is_final = source.is_builder()
            || is_no_http(&source)
            || (source.is_connect() && !answered_before && is_hopeless(&source));
        let untrusted = tls_error(&source).is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
        let source = source.without_url();
        if untrusted {
            return Self::Final(RegistryError::Untrusted { host, source });
        }
        let error = RegistryError::Unreachable { host, method, url, source };
        if is_final { Self::Final(error) } else { Self::passing(error) }
    }

    /// An unsuccessful response.
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
            401 | 403 => Self::Final(RegistryError::Denied { host, name, message: message_of(body) }),
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Self::Passing { error, after },
            _ => Self::Final(error),
        }
    }
}

/// The registry's message in an error's body: `DENIED: tag is immutable`.
pub fn message_of(body: &[u8]) -> String {
    let messages = match serde_json::from_slice::<OciEnvelope>(body) {
        Ok(envelope) => envelope.errors.iter().map(|error| said(&code_name(error), &error.message)).collect(),
        // A response of a token server, or of a proxy.
        Err(_) => messages_of_other(body),
    };
    match messages.is_empty() {
        false => shorten(&messages.join("; ")),
        true => shorten(&String::from_utf8_lossy(body)),
    }
}

fn said(code: &str, message: &str) -> String {
    match (code, message) {
        (code, "") => code.to_owned(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    }
}

/// The code as registries write it: `MANIFEST_UNKNOWN`.
fn code_name(error: &OciError) -> String {
    if let OciErrorCode::Other(name) = &error.code {
        return name.clone();
    }
    let mut name = String::new();
    for letter in format!("{:?}", error.code).chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn messages_of_other(body: &[u8]) -> Vec<String> {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else { return Vec::new() };
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|text| text.as_str().map(str::to_owned));
    if let Some(errors) = document.get("errors").and_then(serde_json::Value::as_array) {
        let of_error = |error: &serde_json::Value| {
            said(&text(error, "code").unwrap_or_default(), &text(error, "message").unwrap_or_default())
        };
        return errors.iter().map(of_error).filter(|message| !message.is_empty()).collect();
    }
    let keys = ["details", "detail", "message", "error_description", "error"];
    keys.iter().find_map(|key| text(&document, key)).into_iter().collect()
}

/// The inner TLS error, if there is one.
pub fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    tls_error_within(error.source()?)
}

fn tls_error_within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // The source of an I/O error is the source of its inner error, not the inner error.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    tls_error_within(inner.map(|inner| inner as _).or(error.source())?)
}

/// Whether the response was not HTTP: a retry would not help.
fn is_no_http(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// An unknown host name, a closed port: permanent, unless it worked a moment ago.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_own_words_are_told() {
        for (body, message) in [
            (r#"{"errors":[{"code":"DENIED","message":"tag is immutable"}]}"#, "DENIED: tag is immutable"),
            (r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no","detail":{"a":1}}]}"#, "MANIFEST_UNKNOWN: no"),
            (r#"{"errors":[{"code":"TAG_IMMUTABLE","message":"no"},{"code":"X"}]}"#, "TAG_IMMUTABLE: no; X"),
            (r#"{"errors":[{"code":"DENIED","message":""}]}"#, "DENIED"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            ("slow down\n", "slow down"),
            ("", ""),
        ] {
            assert_eq!(message_of(body.as_bytes()), message, "{body}");
        }
    }
}
