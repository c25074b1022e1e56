//! Why a cloud did not return an identity.

use std::path::PathBuf;

/// Never contains a token or a key.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("cannot reach {host}")]
    Unreachable {
        host: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{host} did not answer in time")]
    Silent { host: String },
    #[error("{host} answered {status}: {message}")]
    Status { host: String, status: u16, message: String },
    #[error("{host} sent an answer that makes no sense: {reason}")]
    BadAnswer { host: String, reason: String },
    #[error("`{url}` is not an address")]
    Address { url: String },
    #[error("cannot use `{}`: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] std::io::Error),
}

impl CloudError {
    /// There is no such server: this is not that cloud, or not a machine of it.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Status { status: 404, .. })
    }
}
