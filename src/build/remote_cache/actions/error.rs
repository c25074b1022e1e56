//! Why a request to GitHub's cache failed.

/// Never contains the token or a signed address.
#[derive(Debug, thiserror::Error)]
pub enum ActionsError {
    #[error("cannot reach GitHub's cache ({what})")]
    Unreachable {
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("GitHub's cache answered {status} ({what}): {message}")]
    Status { what: &'static str, status: u16, message: String },
    #[error("GitHub's cache refuses more requests for now ({what}): {message}")]
    Limited { what: &'static str, message: String },
    #[error("GitHub's cache sent an answer that makes no sense ({what}): {reason}")]
    BadAnswer { what: &'static str, reason: String },
    #[error("GitHub's cache did not take the entry `{key}`: {message}")]
    Refused { key: String, message: String },
    #[error("other builders wrote every entry `{prefix}…` that was tried")]
    Taken { prefix: String },
    #[error("the address of GitHub's cache, `{text}`, is not an http(s) URL")]
    Address { text: String },
    #[error(
        "GitHub's cache is there for jobs of GitHub's only: ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN are not set"
    )]
    NoJob,
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    #[error("the runtime for network connections could not be made")]
    Runtime(#[source] std::io::Error),
    #[error("what is to be sent cannot be stored")]
    Staged(#[source] std::io::Error),
}
