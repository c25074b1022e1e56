use std::path::PathBuf;

use crate::base::io_error::IoError;
use crate::image::ImageDocumentError;
use crate::store::StoreError;
use crate::transport::transfer::TransferError;

/// Why a registry did not fulfil a request. No message contains a query string or a credential: the query strings of
/// redirects are secrets.
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
    #[error("the certificate of {host} is not trusted")]
    Untrusted {
        host: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{host} was silent for {seconds} s ({method} {url})")]
    Stalled { host: String, method: &'static str, url: String, seconds: u64 },
    #[error("{host} sent fewer than {slowest} bytes per second for {seconds} s ({method} {url})")]
    TooSlow { host: String, method: &'static str, url: String, slowest: u64, seconds: u64 },
    #[error("gave up after {tries} tries: {source}")]
    GaveUp { tries: u32, source: Box<RegistryError> },
    #[error("the registry {host} has no image `{name}`")]
    NotFound { host: String, name: String, nearest: Vec<String> },
    #[error("the registry {host} cannot be searched: it has no catalogue")]
    NoSearch { host: String },
    #[error("the transfer was cancelled")]
    Cancelled,
    #[error("the registry {host} has no blob {digest} in `{name}`")]
    NoBlob { host: String, name: String, digest: String },
    #[error("access to `{name}` is denied{}", why_denied(host, message))]
    Denied { host: String, name: String, message: String },
    #[error("the registry {host} refused the credentials for `{name}`{}", said(message))]
    WrongCredentials { host: String, name: String, message: String },
    #[error("the registry {host} refused the login: the user name or the password is wrong{}", said(message))]
    LoginRefused { host: String, message: String },
    #[error("the registry {host} asks for logins over plain HTTP at {realm}")]
    UnsafeRealm { host: String, realm: String },
    #[error("the registry {host} asks for an authentication scheme that rbuild does not support: `{scheme}`")]
    UnknownChallenge { host: String, scheme: String },
    #[error("the registry answered {status} ({method} {url}): {message}")]
    Status { method: &'static str, url: String, status: u16, message: String },
    #[error("the registry {host} asks to retry in {seconds} s ({method} {url}): {message}")]
    TooBusy { host: String, method: &'static str, url: String, seconds: u64, message: String },
    #[error("the registry {host} sent an answer that makes no sense ({method} {url}): {reason}")]
    BadAnswer { host: String, method: &'static str, url: String, reason: String },
    #[error("the connection to {host} broke while {what} was read")]
    Broken {
        host: String,
        what: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the connection to {host} ended while {what} was read: {got} of {expected} bytes arrived")]
    CutShort { host: String, what: String, got: u64, expected: u64 },
    #[error("{url} redirects from https to plain HTTP")]
    UnsafeRedirect { url: String },
    #[error("{url} redirects too often")]
    RedirectLoop { url: String },
    #[error("registry {host} is blocked in {}", path.display())]
    Blocked { host: String, path: PathBuf },
    #[error("{source} (of the mirrors: {failed})")]
    AllMirrors { failed: String, source: Box<RegistryError> },
    #[error("{what} of `{name}` has more than {limit} bytes")]
    TooLarge { name: String, what: &'static str, limit: u64 },
    #[error("`{name}` has the digest {actual}, not {expected}")]
    WrongDigest { name: String, expected: String, actual: String },
    #[error("`{name}` has {actual} bytes, not {expected}")]
    WrongSize { name: String, expected: u64, actual: u64 },
    #[error("`{name}` uses docker's schema 1, which docker gave up in 2017: push it again with a newer docker")]
    Schema1 { name: String },
    #[error("`{name}` is not an image: its media type is `{media_type}`")]
    NotAnImage { name: String, media_type: String },
    #[error("`{name}` has no image for {wanted}; it has {offered}")]
    NoPlatform { name: String, wanted: String, offered: String },
    #[error("the index of `{name}` is nested too deeply")]
    IndexTooDeep { name: String },
    #[error("the index of `{name}` has more than {limit} entries")]
    IndexTooLarge { name: String, limit: usize },
    #[error("the credentials for {host} in `{}` cannot be used: {reason}", path.display())]
    Credentials { host: String, path: PathBuf, reason: String },
    #[error("the credentials that were sent for {host} cannot be used: {reason}")]
    GivenCredentials { host: String, reason: String },
    #[error("the credential helper `{program}` {reason}")]
    CredentialHelper { program: String, reason: String },
    #[error("`{}`: {reason}", path.display())]
    Configuration { path: PathBuf, reason: String },
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] std::io::Error),
    #[error("cannot read {what} to upload it")]
    Source {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Document(#[from] ImageDocumentError),
    #[error(transparent)]
    Transfer(Box<TransferError>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] IoError),
}

impl RegistryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::GaveUp { source, .. } | Self::AllMirrors { source, .. } => return source.hint(),
            Self::Denied { .. } => "check the name's spelling, or log in with `rbuild login`",
            Self::WrongCredentials { host, .. } => return Some(format!("log in again with `rbuild login {host}`")),
            Self::TooSlow { .. } => "a slower line is allowed with `slowest` under [limits] in registries.toml",
            Self::Unreachable { .. } => "check the registry's name and the network",
            Self::Untrusted { host, .. } => {
                return Some(format!(
                    "put the CA's certificate into /etc/docker/certs.d/{host}/ca.crt, or list {host} under \
                     insecure-registries in docker's daemon.json"
                ));
            }
            Self::NotFound { nearest, .. } if !nearest.is_empty() => {
                return Some(format!("the nearest tags are {}", nearest.join(", ")));
            }
            Self::NotFound { .. } => "check the name and the tag",
            Self::NoPlatform { .. } => "name one of these with --platform",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the registry says that the object does not exist, so that a retry is useless.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::NoBlob { .. } => true,
            Self::GaveUp { source, .. } | Self::AllMirrors { source, .. } => source.is_not_found(),
            _ => false,
        }
    }
}

impl From<TransferError> for RegistryError {
    /// If a reader failed because of the registry, the registry's error is the cause.
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Read { what, source } => match source.downcast::<Self>() {
                Ok(own) => own,
                Err(source) => Self::Transfer(Box::new(TransferError::Read { what, source })),
            },
            other => Self::Transfer(Box::new(other)),
        }
    }
}

fn why_denied(host: &str, message: &str) -> String {
    match message {
        "" => format!(": it does not exist at {host}, or needs a login"),
        message => format!(" by {host}: {message}"),
    }
}

/// The registry's own message, after ours.
fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" (it says: {message})") }
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

/// A server's message, cut to a readable length, without terminal control characters.
pub(super) fn shorten(message: &str) -> String {
    const LIMIT: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.chars().filter(|letter| !letter.is_control());
    let mut short: String = line.clone().take(LIMIT).collect();
    if line.count() > LIMIT {
        short.push('…');
    }
    short
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

    #[test]
    fn what_servers_say_is_short_and_tame() {
        assert_eq!(shorten("a\n\t b\u{1b}[31mc"), "a b[31mc");
        assert_eq!(shorten(&"x".repeat(1000)).chars().count(), 301);
    }
}
