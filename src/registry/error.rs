use std::path::PathBuf;

use oci_client::errors::OciDistributionError;

use crate::image::{ImageDocumentError, Reference};
use crate::store::StoreError;
use crate::transfer::TransferError;

/// Why a registry did not give what was asked for. No message holds a query string or a credential: those of redirects
/// are secrets.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot reach the registry {host} ({method} {url})")]
    Unreachable {
        host: String,
        method: &'static str,
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the registry {host} has no image `{name}`")]
    NotFound { host: String, name: String },
    #[error("access to `{name}` is denied: it does not exist at {host}, or needs a login")]
    Denied { host: String, name: String },
    #[error("the registry {host} refused the credentials for `{name}`")]
    WrongCredentials { host: String, name: String },
    #[error("the registry answered {status} ({method} {url}): {message}")]
    Status { method: &'static str, url: String, status: u16, message: String },
    #[error("the connection to {host} broke while {what} was read")]
    Broken {
        host: String,
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{what} of `{name}` has more than {limit} bytes")]
    TooLarge { name: String, what: &'static str, limit: u64 },
    #[error("`{name}` has the digest {actual}, not {expected}")]
    WrongDigest { name: String, expected: String, actual: String },
    #[error("`{name}` is in docker's schema 1, which was given up in 2017; push it again with a newer docker")]
    Schema1 { name: String },
    #[error("`{name}` is no image: its media type is `{media_type}`")]
    NotAnImage { name: String, media_type: String },
    #[error("`{name}` has no image for {wanted}; it has {offered}")]
    NoPlatform { name: String, wanted: String, offered: String },
    #[error("the index of `{name}` is nested too deeply")]
    IndexTooDeep { name: String },
    #[error("the credentials for {host} in `{}` cannot be used: {reason}", path.display())]
    Credentials { host: String, path: PathBuf, reason: String },
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] std::io::Error),
    /// What oci-client reports, where nothing more is known.
    #[error("the registry {host} failed for `{name}`: {message}")]
    Protocol { host: String, name: String, message: String },
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { .. } => Some("check the name's spelling, and the credentials in docker's config.json"),
            Self::Unreachable { .. } => Some("check the registry's name and the network"),
            Self::NotFound { .. } => Some("check the name and the tag"),
            Self::NoPlatform { .. } => Some("name one of these with --platform"),
            _ => None,
        }
    }

    /// An error of oci-client, without what may be secret in it.
    pub(super) fn from_client(error: OciDistributionError, reference: &Reference) -> Self {
        let host = reference.domain().to_owned();
        let name = reference.familiar();
        match error {
            OciDistributionError::RequestError(source) => Self::request("GET", &host, source),
            OciDistributionError::UnauthorizedError { .. } => Self::Denied { host, name },
            OciDistributionError::AuthenticationFailure(_) => Self::WrongCredentials { host, name },
            OciDistributionError::ImageManifestNotFoundError(_) => Self::NotFound { host, name },
            OciDistributionError::ServerError { code, url, message } => {
                Self::Status { method: "GET", url: redact(&url), status: code, message: shorten(&message) }
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                Self::Protocol { host, name, message: shorten(&envelope.to_string()) }
            }
            other => Self::Protocol { host, name, message: shorten(&other.to_string()) },
        }
    }

    /// A request that got no answer.
    pub(super) fn request(method: &'static str, host: &str, source: reqwest::Error) -> Self {
        let url = source.url().map(|url| redact(url.as_str())).unwrap_or_default();
        Self::Unreachable { host: host.to_owned(), method, url, source: source.without_url() }
    }
}

/// The URL without user, password and query.
pub(super) fn redact(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// What a server says, cut to a length that a person reads.
pub(super) fn shorten(message: &str) -> String {
    const LIMIT: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LIMIT { line.chars().take(LIMIT).chain(['…']).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_urls() {
        assert_eq!(redact("https://u:p@h:1/v2/a?X-Sig=s#f"), "https://h:1/v2/a");
        assert_eq!(redact("https://host"), "https://host");
        assert_eq!(redact("https://host/a@b"), "https://host/a@b");
    }
}
