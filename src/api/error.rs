//! The one place where an error gets a status and docker's words.

use std::fmt;

use crate::base::io_error::{IoError, chain};
use crate::container::ContainerError;
use crate::store::StoreError;

/// What a request is refused with.
#[derive(Debug)]
pub struct ApiError {
    pub status: u16,
    pub message: String,
    /// Clients from before the API's errors were JSON read this.
    pub is_plain_text: bool,
}

impl ApiError {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_plain_text: false }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// What is docker's or the machine's fault, not the client's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    pub fn in_plain_text(mut self) -> Self {
        self.is_plain_text = true;
        self
    }

    /// Says before the message what was being done.
    pub fn context(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error.to_string())
    }
}

/// Errors of which each is the machine's fault.
macro_rules! internal {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::internal(chain(&error))
            }
        })+
    };
}

internal!(IoError, StoreError, serde_json::Error);

impl From<ContainerError> for ApiError {
    fn from(error: ContainerError) -> Self {
        Self::internal(chain(&error))
    }
}
