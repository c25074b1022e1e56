//! An I/O error that says what was being done to which path.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// `cannot <action> <path>`, with the system's error as its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub struct IoError {
    /// A verb, such as `open` or `rename`.
    pub action: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl IoError {
    /// The system's error number; `None` for an error that is not the system's.
    pub fn errno(&self) -> Option<rustix::io::Errno> {
        rustix::io::Errno::from_io_error(&self.source)
    }

    /// True when the filesystem or a quota is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The longest path that a program can name, beginning at a root (`PATH_MAX` of limits.h, with a slash and an end).
const LONGEST_PATH: usize = 4094;

/// Refuses paths that are too deep to be named: no archive or other program could use them, and a recursive walk must
/// not go deeper.
pub fn check_depth(path: &[u8]) -> Result<(), IoError> {
    use std::os::unix::ffi::OsStrExt as _;
    const SHOWN: usize = 40;
    if path.len() <= LONGEST_PATH {
        return Ok(());
    }
    let mut start = path[..SHOWN].to_vec();
    start.extend_from_slice("…".as_bytes());
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&start));
    Err(IoError { action: "use", path, source: rustix::io::Errno::NAMETOOLONG.into() })
}

/// The error and its causes in one line, each cause after a colon.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Adds the action and the path to a result of std or rustix.
pub trait AtPath<T> {
    /// Adds what was done, and to which path.
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, IoError>;
}

impl<T, E: Into<io::Error>> AtPath<T> for Result<T, E> {
    /// Adds what was done, and to which path.
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, IoError> {
        self.map_err(|source| IoError { action, path: path.as_ref().to_owned(), source: source.into() })
    }
}
