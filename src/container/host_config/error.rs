/// Why a document is not a valid host configuration, in docker's words.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum HostConfigError {
    #[error("invalid network mode: invalid container format container:<name|id>")]
    NoContainer,
    #[error("invalid {what}: {word}")]
    Mode { what: &'static str, word: String },
    #[error(
        "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    RestartPolicy { name: String },
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure'")]
    RetryCount,
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    NegativeRetryCount,
    #[error("logger: no log driver named '{name}' is registered")]
    LogDriver { name: String },
    #[error("invalid --security-opt 2: {text:?}")]
    SecurityOption { text: String },
    #[error("invalid isolation ({word}): linux only supports 'default'")]
    Isolation { word: String },
}
