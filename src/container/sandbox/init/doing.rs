//! Errors of the init: the action, its subject, and the kernel's error.

use std::ffi::OsStr;
use std::fmt::Display;

use rustix::io::Errno;

use crate::container::sandbox::error::InitError;
use crate::container::sandbox::mount_api::MountFailure;

pub(super) type Result<T> = std::result::Result<T, InitError>;

/// Adds the action and its subject to the error of a failed call.
pub(super) trait Doing<T> {
    fn doing(self, action: &str, subject: impl AsRef<OsStr>) -> Result<T>;
}

impl<T, E: Into<Failure>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, action: &str, subject: impl AsRef<OsStr>) -> Result<T> {
        self.map_err(|error| {
            let Failure { errno, explanation } = error.into();
            let mut subject = subject.as_ref().to_string_lossy().into_owned();
            if !explanation.is_empty() {
                subject = format!("{subject} ({explanation})");
            }
            InitError::System { action: action.to_owned(), subject, errno }
        })
    }
}

pub(super) struct Failure {
    errno: i32,
    explanation: String,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno: errno.raw_os_error(), explanation: String::new() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self { errno, explanation: String::new() },
            None => Self { errno: libc::EIO, explanation: error.to_string() },
        }
    }
}

impl From<MountFailure> for Failure {
    fn from(failure: MountFailure) -> Self {
        Self { errno: failure.errno.raw_os_error(), explanation: failure.explanation }
    }
}

pub(super) fn message(text: impl Display) -> InitError {
    InitError::Message(text.to_string())
}
